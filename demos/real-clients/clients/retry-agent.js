// SPDX-License-Identifier: MIT
// retry-agent.js NODE_MODULES URL WARM_URL COUNT ORDER MS: COUNT requests by undici's RetryAgent, whose first wait is MS; ORDER: at-once or in-turn.
// It asks WARM_URL before, so that all code is loaded.
const [modules, url, warm, count, order, ms] = process.argv.slice(2);
const { Agent, RetryAgent, request } = require(`${modules}/undici`);
const dispatcher = new RetryAgent(new Agent(), { minTimeout: Number(ms) });
const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

async function ask(where) {
	const answer = await request(where, { dispatcher });
	await answer.body.dump();
}

async function main() {
	for (let i = 0; i < 20; i++)
		await ask(warm);
	const asked = [];
	for (let i = 0; i < Number(count); i++) {
		asked.push(ask(`${url}/${i}`).catch(() => {}));
		await (order === "in-turn" ? asked[i] : sleep(15));
	}
	await Promise.all(asked);
	await dispatcher.close();
}

main();
