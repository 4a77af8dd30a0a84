// SPDX-License-Identifier: MIT
// library.js NODE_MODULES LIBRARY URL OPTIONS MS WARM_URL [MEAN]: calls URL every 50 ms through a breaker of a library, for so long; with MEAN, at
// random with that mean distance. It calls WARM_URL before, without one, so that all code is loaded.
const http = require("http");
const [modules, library, url, text, ms, warm, mean] = process.argv.slice(2);
const options = JSON.parse(text);
const agent = new http.Agent({ keepAlive: true });

function call(where = url) {
	return new Promise((resolve, reject) => {
		http.get(where, { agent }, (response) => {
			response.resume();
			response.on("end", () => (response.statusCode >= 500 ? reject(new Error(response.statusCode)) : resolve()));
		}).on("error", reject);
	});
}

const breakers = {
	opossum() {
		const Breaker = require(`${modules}/opossum`);
		const breaker = new Breaker(() => call(), options);
		return () => breaker.fire();
	},
	cockatiel() {
		const { circuitBreaker, handleAll, ConsecutiveBreaker } = require(`${modules}/cockatiel`);
		const breaker = circuitBreaker(handleAll, { halfOpenAfter: options.resetTimeout, breaker: new ConsecutiveBreaker(options.failures) });
		return () => breaker.execute(() => call());
	},
};

function arrive(fire) {
	setTimeout(() => arrive(fire), -Math.log(1 - Math.random()) * mean);
	fire().catch(() => {});
}

async function main() {
	const fire = breakers[library]();
	for (let i = 0; i < 20; i++)
		await call(warm);
	if (mean)
		arrive(fire);
	else
		setInterval(() => fire().catch(() => {}), 50);
	setTimeout(() => process.exit(0), Number(ms));
}

main();
