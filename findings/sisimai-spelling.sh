#!/usr/bin/env bash
# Sisimai 4.25.15 (Perl; Debian's libsisimai-perl 4.25.15-1)
#
# RFC 3464 takes the rules of mail headers for the fields of a delivery status: their names in any case, a tab or a
# line break where a space may stand, comments in brackets. Sisimai finds no bounce at all where the field
# Final-Recipient has another case, is folded or has a comment, and loses the status after a tab.
# A bounce that a mail gateway has written anew is then no bounce, or one of unknown kind.
#
# Seen with 4.25.15, Perl 5.36, Debian 12: what `wanted` says below. Needs apt's lists (`apt-get update`).
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq libsisimai-perl=4.25.15-1 libclass-accessor-lite-perl libjson-perl 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done

seen=$(PERL5LIB=root/usr/share/perl5 perl - <<'PL'
use strict;
use warnings;
use Sisimai;

sub told {
    my ($name, $fields) = @_;
    open my $file, '>', 'mail.eml' or die;
    print $file join "\n",
        'From MAILER-DAEMON Sat Nov 28 03:00:00 2026',
        'From: MAILER-DAEMON@mx.example', 'To: notices@hotline.example',
        'Date: Sat, 28 Nov 2026 03:00:00 +0000', 'Subject: Delivery report', 'Message-ID: <1@mx.example>',
        'MIME-Version: 1.0', 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', '',
        '--b', 'Content-Type: text/plain', '', 'A notice was not delivered.', '',
        '--b', 'Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; mx.example', '', $fields,
        '--b', 'Content-Type: message/rfc822', '',
        'From: notices@hotline.example', 'To: abuse@host.example', 'Subject: Notice 77',
        'Message-ID: <77@hotline.example>', '', 'About case 77.', '--b--', '';
    close $file;
    my $found = Sisimai->make('mail.eml') || [];
    my @told = map { join ' ', $_->recipient->address, $_->deliverystatus, $_->reason } @$found;
    print "$name: ", @told ? join(', ', @told) : 'nothing', "\n";
}

my $rest = "Action: failed\nStatus: 5.1.1\n";
told('as usual', "Final-Recipient: rfc822; abuse\@host.example\n$rest");
told('lower case', "final-recipient: rfc822; abuse\@host.example\n$rest");
told('folded', "Final-Recipient: rfc822;\n abuse\@host.example\n$rest");
told('comment', "Final-Recipient: rfc822; abuse\@host.example (Abuse Desk)\n$rest");
told('tab', "Final-Recipient: rfc822; abuse\@host.example\nAction: failed\nStatus:\t5.1.1\n");
PL
)
wanted="as usual: abuse@host.example 5.1.1 userunknown
lower case: nothing
folded: nothing
comment: nothing
tab: abuse@host.example 5.0.900 undefined"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
