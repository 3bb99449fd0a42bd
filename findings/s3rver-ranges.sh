#!/usr/bin/env bash
# s3rver 3.7.1, an object store for tests and small installations, answers `Range: bytes=0-0` with the whole object,
# and, where the object is empty, with a 206 that promises one byte of nothing and sends none.
#
# S3 itself gives one byte of the first, and 416 for the second.
#
# Seen on 2026-11-28 (Node.js 20):
#   /pics/a.jpg      bytes=0-0  206 Content-Range: bytes 0-48210/48211  Content-Length: 48211
#   /pics/empty.jpg  bytes=0-0  206 Content-Range: bytes 0-0/0          Content-Length: 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts s3rver@3.7.1 >/dev/null
cat >ask.cjs <<'EOF'
const net = require('net');
const S3rver = require('s3rver');
console.log('s3rver', require('s3rver/package.json').version);
const server = new S3rver({
  address: '127.0.0.1', port: 0, silent: true, directory: 'data', allowMismatchedSignatures: true,
  configureBuckets: [{ name: 'pics' }],
});
// The header block alone is of interest: the body of the second answer never comes.
const heads = (port, block, body) => new Promise((done) => {
  const link = net.connect(port, '127.0.0.1');
  let data = '';
  link.on('data', (more) => {
    data += more.toString('latin1');
    if (data.includes('\r\n\r\n')) { link.destroy(); done(data.split('\r\n\r\n')[0].split('\r\n')); }
  });
  link.write(block.join('\r\n') + '\r\n\r\n');
  link.write(body);
});
const put = (port, key, size) => heads(port, [
  `PUT /pics/${key} HTTP/1.1`, 'Host: localhost', 'Content-Type: image/jpeg', 'x-amz-acl: public-read',
  'Authorization: AWS S3RVER:unsigned', `Date: ${new Date().toUTCString()}`, `Content-Length: ${size}`,
], Buffer.alloc(size));
const range = async (port, key) => {
  const [first, ...lines] = await heads(port, [`GET /pics/${key} HTTP/1.1`, 'Host: localhost', 'Range: bytes=0-0'], '');
  const value = (name) => (lines.find((line) => line.toLowerCase().startsWith(name + ':')) || ': none').split(': ')[1];
  return `${first.split(' ')[1]} ${value('content-range')} ${value('content-length')}`;
};
const expected = { 'a.jpg': '206 bytes 0-48210/48211 48211', 'empty.jpg': '206 bytes 0-0/0 1' };
server.run().then(async ({ port }) => {
  let changed = 0;
  for (const [key, size] of [['a.jpg', 48211], ['empty.jpg', 0]]) {
    const stored = (await put(port, key, size))[0];
    const seen = await range(port, key);
    console.log(key, 'stored', stored.split(' ')[1], 'range', seen);
    changed += seen !== expected[key];
  }
  process.exit(changed ? 1 : 0);
});
EOF
node ask.cjs
