#!/usr/bin/env bash
# restify 11.1.0 (npm): a range of a file that has become empty is forbidden
#
# `plugins.serveStaticFiles` answers 403 where a range cannot be satisfied; that would be a 416 (RFC 9110, 15.5.17).
# To whoever asks for one byte, to spare both sides the rest, a file that was cut to zero bytes looks like one that the
# provider still has and now keeps from us: a 403 says "blocked", not "gone". HEAD and GET of it are a 200 of length 0.
# The Content-Range of the answer (`bytes */0`) tells the two apart; a 403 that refuses has none.
#
# Seen with 11.1.0, Node 20: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund restify@11.1.0 >/dev/null
mkdir www
head -c 48211 /dev/zero >www/full.jpg
: >www/empty.jpg
cat >ask.cjs <<'EOF'
const http = require('http');
const restify = require('restify');
const server = restify.createServer();
const files = restify.plugins.serveStaticFiles('www');
server.get('/*', files);
server.head('/*', files);
const ask = (method, path, headers) => new Promise((done) => {
  http.request({ method, port: server.address().port, host: '127.0.0.1', path, headers, agent: false }, (reply) => {
    reply.resume().on('end', () => done([reply.statusCode, reply.headers['content-range'] || '-'].join(' ')));
  }).end();
});
server.listen(0, '127.0.0.1', async () => {
  for (const path of ['/full.jpg', '/empty.jpg', '/none.jpg']) {
    const one = { Range: 'bytes=0-0' };
    console.log(path, 'HEAD', await ask('HEAD', path, {}), 'GET', await ask('GET', path, {}));
    console.log(path, 'one byte', await ask('GET', path, one));
  }
  process.exit(0);
});
EOF
seen=$(node --no-deprecation ask.cjs)
wanted="/full.jpg HEAD 200 - GET 200 -
/full.jpg one byte 206 bytes 0-0/48211
/empty.jpg HEAD 200 - GET 200 -
/empty.jpg one byte 403 bytes */0
/none.jpg HEAD 404 - GET 404 -
/none.jpg one byte 404 -"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
