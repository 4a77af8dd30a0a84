// SPDX-License-Identifier: MIT
// breaker.js NODE_MODULES URL WARM_URL OPTIONS SECONDS: calls URL every 50 ms through an opossum breaker, for so long. It calls WARM_URL before,
// without the breaker, so that all code is loaded.
const http = require("http");
const [modules, url, warm, options, seconds] = process.argv.slice(2);
const Breaker = require(`${modules}/opossum`);
const agent = new http.Agent({ keepAlive: true });

function call(where) {
	return new Promise((resolve, reject) => {
		http.get(where, { agent }, (response) => {
			response.resume();
			response.on("end", () => (response.statusCode >= 500 ? reject(new Error(response.statusCode)) : resolve()));
		}).on("error", reject);
	});
}

async function main() {
	for (let i = 0; i < 20; i++)
		await call(warm);
	const breaker = new Breaker(() => call(url), JSON.parse(options));
	setInterval(() => breaker.fire().catch(() => {}), 50);
	setTimeout(() => process.exit(0), 1000 * Number(seconds));
}

main();
