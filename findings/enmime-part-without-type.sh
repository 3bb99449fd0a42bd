#!/usr/bin/env bash
# enmime 2.3.0 (Go, mail): a part of a mail that names no type has no text
#
# A part without Content-Type is plain text (RFC 2046, 5.1: it then begins with an empty line). In a mail of one part
# enmime reads it so; inside a multipart it counts it among the other parts, of type "", and `Text` is empty. The
# answer of a provider, and the words of a bounce, are then a mail that says nothing.
# A warning tells that such a part should have a type, not that its text was left out.
#
# Seen with 2.3.0, Go 1.26: what `wanted` says below.
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
	"strings"

	"github.com/jhillyerd/enmime/v2"
)

const head = "From: abuse@host.example\nTo: desk@hotline.example\nSubject: Re: Notice 1\nMIME-Version: 1.0\n"

func show(name, mail string) {
	read, err := enmime.ReadEnvelope(strings.NewReader(strings.ReplaceAll(head+mail, "\n", "\r\n")))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: text %q, other parts %d\n", name, strings.TrimSpace(read.Text), len(read.OtherParts))
}

func main() {
	show("one part, no type", "\nRemoved.\n")
	for _, field := range []string{"Content-Type: text/plain\n", "", "Content-Transfer-Encoding: 7bit\n"} {
		mail := "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + field + "\nRemoved.\n--b--\n"
		show(fmt.Sprintf("multipart, %q", strings.TrimSpace(field)), mail)
	}
}
EOF
go mod init finding 2>/dev/null
go get github.com/jhillyerd/enmime/v2@v2.3.0 2>/dev/null
seen=$(go run .)
wanted='one part, no type: text "Removed.", other parts 0
multipart, "Content-Type: text/plain": text "Removed.", other parts 0
multipart, "": text "", other parts 1
multipart, "Content-Transfer-Encoding: 7bit": text "", other parts 1'
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
