// SPDX-License-Identifier: MIT
// One connection with a timeout of half a second: connect.mjs net|http PORT -> what came of it, one word.
import http from 'node:http';
import net from 'node:net';

const [kind, port] = process.argv.slice(2);
const options = { host: '127.0.0.1', port: Number(port), timeout: 500 };
const it = kind === 'net' ? net.connect(options) : http.get(options);
const tell = (word) => { console.log(word); process.exit(0); };
it.on('timeout', () => tell('timeout'));
it.on('error', (e) => tell(e.code));
it.on(kind === 'net' ? 'connect' : 'response', () => tell('ok'));
