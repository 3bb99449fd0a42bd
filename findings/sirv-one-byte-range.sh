#!/usr/bin/env bash
# sirv 3.0.2 (as in sirv-cli 3.0.1) sends the whole file to whoever asks for its first byte: the end of
# `Range: bytes=0-0` is 0, which it takes for "none".
#
# The answer is a correct 206 of another range than the one asked for. `bytes=0-1` and `bytes=1-1` are served as asked.
# Who asks for one byte to spare both sides a transfer gets all of it, unless he hangs up after the header block.
#
# Seen on 2026-11-28 (Node.js 20):
#   bytes=0-0  206 Content-Range: bytes 0-48210/48211  Content-Length: 48211  body of 48211 bytes
#   bytes=0-1  206 Content-Range: bytes 0-1/48211      Content-Length: 2      body of 2 bytes
#   bytes=1-1  206 Content-Range: bytes 1-1/48211      Content-Length: 1      body of 1 bytes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sirv@3.0.2 >/dev/null
mkdir www
head -c 48211 /dev/zero >www/a.jpg
cat >ask.cjs <<'EOF'
const http = require('http');
const sirv = require('sirv');
console.log('sirv', require('sirv/package.json').version);
const server = http.createServer(sirv('www', { dev: true }));
const ask = (port, wanted) => new Promise((done) => {
  http.get({ port, host: '127.0.0.1', path: '/a.jpg', headers: { Range: wanted } }, (reply) => {
    let bytes = 0;
    reply.on('data', (data) => { bytes += data.length; });
    reply.on('end', () => done([reply.statusCode, reply.headers['content-range'], bytes].join(' ')));
  });
});
const expected = {
  'bytes=0-0': '206 bytes 0-48210/48211 48211',
  'bytes=0-1': '206 bytes 0-1/48211 2',
  'bytes=1-1': '206 bytes 1-1/48211 1',
};
server.listen(0, '127.0.0.1', async () => {
  let changed = 0;
  for (const [wanted, answer] of Object.entries(expected)) {
    const seen = await ask(server.address().port, wanted);
    console.log(wanted, seen);
    changed += seen !== answer;
  }
  process.exit(changed ? 1 : 0);
});
EOF
node ask.cjs
