#!/usr/bin/env bash
# hapi's @hapi/inert 7.1.2 answers an empty file with 204 No Content, to HEAD and to GET, with the type, the date and
# the ETag of the file.
#
# Elsewhere it is a 200 with Content-Length: 0. So 204 may mean "it is there, and somebody emptied it".
#
# Seen on 2026-11-28 (@hapi/hapi 21.4.10, Node.js 20):
#   HEAD /a.jpg      200 content-length: 48211
#   HEAD /empty.jpg  204 content-type: image/jpeg, with an etag, no length
#   GET  /empty.jpg  204 content-type: image/jpeg, with an etag, no length
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @hapi/hapi@21.4.10 @hapi/inert@7.1.2 >/dev/null
mkdir www
head -c 48211 /dev/zero >www/a.jpg
: >www/empty.jpg
cat >ask.cjs <<'EOF'
const http = require('http');
const Hapi = require('@hapi/hapi');
const Inert = require('@hapi/inert');
console.log('inert', require('@hapi/inert/package.json').version, 'hapi', require('@hapi/hapi/package.json').version);
const server = Hapi.server({ port: 0, host: '127.0.0.1' });
const ask = (method, path) => new Promise((done) => {
  http.request({ port: server.info.port, host: '127.0.0.1', path, method }, (reply) => {
    reply.resume();
    const { 'content-type': type, 'content-length': length, etag } = reply.headers;
    done(`${reply.statusCode} ${type} ${length} ${etag ? 'etag' : 'no etag'}`);
  }).end();
});
const expected = {
  'HEAD /a.jpg': '200 image/jpeg 48211 etag',
  'HEAD /empty.jpg': '204 image/jpeg undefined etag',
  'GET /empty.jpg': '204 image/jpeg undefined etag',
};
(async () => {
  await server.register(Inert);
  server.route({ method: 'GET', path: '/{path*}', handler: { directory: { path: `${process.cwd()}/www` } } });
  await server.start();
  let changed = 0;
  for (const [request, answer] of Object.entries(expected)) {
    const seen = await ask(...request.split(' '));
    console.log(request, seen);
    changed += seen !== answer;
  }
  process.exit(changed ? 1 : 0);
})();
EOF
node ask.cjs
