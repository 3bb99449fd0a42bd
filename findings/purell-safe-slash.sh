#!/usr/bin/env bash
# purell 1.2.1 (Go, normal forms of URLs): what it calls safe makes another path of an escaped slash
#
# `FlagsSafe` undoes escapes that are not needed, and takes %2F for one: /o/a%2Fb.jpg becomes /o/a/b.jpg. That slash is
# data, the other a separator (RFC 3986, 2.2: a reserved character and its escape are not equivalent). Stores whose
# objects have slashes in their names are addressed so; the normal form of such a URL is a 404, and reads as removed.
# The escapes of `?` and of `%` stay, and so does the slash in a query.
#
# Seen with 1.2.1, Go 1.26: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOPATH="$work/go" GOFLAGS=-modcacherw
cat >main.go <<'EOF'
package main

import (
	"fmt"

	"github.com/PuerkitoBio/purell"
)

func main() {
	for _, url := range []string{
		"http://store.example/o/a%2Fb.jpg?alt=media",
		"http://store.example/o/a%252Fb.jpg",
		"http://store.example/o/a%20b%2Fc.jpg",
		"http://store.example/o/a%3Fb.jpg",
		"http://store.example/o?name=a%2Fb.jpg",
	} {
		fmt.Println(url, "->", purell.MustNormalizeURLString(url, purell.FlagsSafe))
	}
}
EOF
go mod init finding 2>/dev/null
go get github.com/PuerkitoBio/purell@v1.2.1 2>/dev/null
seen=$(go run .)
wanted="http://store.example/o/a%2Fb.jpg?alt=media -> http://store.example/o/a/b.jpg?alt=media
http://store.example/o/a%252Fb.jpg -> http://store.example/o/a%252Fb.jpg
http://store.example/o/a%20b%2Fc.jpg -> http://store.example/o/a%20b/c.jpg
http://store.example/o/a%3Fb.jpg -> http://store.example/o/a%3Fb.jpg
http://store.example/o?name=a%2Fb.jpg -> http://store.example/o?name=a%2Fb.jpg"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
