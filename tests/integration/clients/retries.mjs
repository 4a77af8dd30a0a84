// SPDX-License-Identifier: MIT
// One request after the other, each retried by hand as undici's RetryAgent does by default, faster: 50 ms x2, 3 retries. URL COUNT
const [, , url, count] = process.argv;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
for (let i = 0; i < Number(count); i++) {
	for (let k = 0; k < 4; k++) {
		const status = await fetch(url).then((answer) => answer.status, () => 599);
		if (status < 500 || k === 3) break;
		await sleep(50 * 2 ** k);
	}
}
