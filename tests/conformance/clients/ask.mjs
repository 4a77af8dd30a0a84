// SPDX-License-Identifier: MIT
// Asks a URL COUNT times with one client of node that keeps its connection: ask.mjs http|fetch URL COUNT TIMEOUT_S [UPLOAD]
// UPLOAD: each request is a POST of so many bytes.
// Prints a JSON list, one entry a request: [what the client said (status and body, or the error's code and text), seconds].
import http from 'node:http';
import https from 'node:https';

const [client, url, count, timeout, upload] = process.argv.slice(2);
const ms = Number(timeout) * 1000;
const body = upload === undefined ? undefined : Buffer.alloc(Number(upload), 'u');
const method = body ? 'POST' : 'GET';
const protocol = url.startsWith('https:') ? https : http;
const agent = new protocol.Agent({ keepAlive: true, maxSockets: 1 });

function explain(e) {
	const said = [e.name, e.code, e.message].filter(Boolean).join(' ');
	return e.cause ? `${said} <- ${explain(e.cause)}` : said;
}

const clients = {
	http: () => new Promise((done, failed) => {
		const request = protocol.request(url, { agent, method, headers: body ? { 'Content-Length': body.length } : {} }, (answer) => {
			let text = '';
			answer.on('data', (part) => { text += part; });
			answer.on('end', () => done(`${answer.statusCode} ${text}`));
			answer.on('error', failed);
		});
		request.setTimeout(ms, () => request.destroy(new Error('timeout')));
		request.on('error', failed);
		request.end(body);
	}),
	fetch: async () => {
		const answer = await fetch(url, { method, body, signal: AbortSignal.timeout(ms) });
		return `${answer.status} ${await answer.text()}`;
	},
};

const said = [];
for (let i = 0; i < Number(count); i++) {
	const began = performance.now();
	let answer;
	try {
		answer = await clients[client]();
	} catch (e) {
		answer = explain(e);
	}
	said.push([answer, (performance.now() - began) / 1000]);
	await new Promise((turn) => setTimeout(turn, 20)); // lets the connection go back to its pool
}
await new Promise((turn) => setTimeout(turn, 250)); // fetch connects anew after a request that was given up: not left to chance
process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(0));
