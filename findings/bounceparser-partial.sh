#!/usr/bin/env bash
# Mail::DeliveryStatus::BounceParser 1.543 (Perl; Debian's libmail-deliverystatus-bounceparser-perl 1.543+repacked-1)
#
# A delivery status notification (RFC 3464) has a group of fields for each recipient. Where one failed and a later
# one was relayed, delivered or only delayed, `is_bounce` is false: reading stops at the first group whose action
# is not `failed`, and what failed before it stands in `reports` of a mail that is "no bounce".
# With the groups in the other order, the failed one is not even in `reports`.
#
# Seen with 1.543, Perl 5.36, Debian 12: what `wanted` says below. Needs apt's lists (`apt-get update`).
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq libmail-deliverystatus-bounceparser-perl=1.543+repacked-1 \
  libmime-tools-perl libmailtools-perl libtimedate-perl libio-stringy-perl 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done

seen=$(PERL5LIB=root/usr/share/perl5 perl - <<'PL'
use strict;
use warnings;
use Mail::DeliveryStatus::BounceParser;

sub group { my ($address, $action, $status) = @_; return "Final-Recipient: rfc822; $address\nAction: $action\nStatus: $status\n"; }

sub told {
    my ($name, @groups) = @_;
    my $mail = join "\n",
        'From: MAILER-DAEMON@mx.example', 'To: notices@hotline.example', 'Subject: Delivery report',
        'MIME-Version: 1.0', 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', '',
        '--b', 'Content-Type: text/plain', '', 'About your notice.', '',
        '--b', 'Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; mx.example', '',
        join("\n", @groups), '--b--', '';
    my $found = Mail::DeliveryStatus::BounceParser->new($mail);
    print "$name: is_bounce ", $found->is_bounce ? 1 : 0, ", reports ", join(' ', map { $_->get('email') } $found->reports), "\n";
}

my $failed = group('abuse@host.example', 'failed', '5.1.1');
told('failed alone', $failed);
told('failed, then relayed', $failed, group('noc@host.example', 'relayed', '2.0.0'));
told('failed, then delayed', $failed, group('noc@host.example', 'delayed', '4.4.1'));
told('relayed, then failed', group('noc@host.example', 'relayed', '2.0.0'), $failed);
PL
)
wanted="failed alone: is_bounce 1, reports abuse@host.example
failed, then relayed: is_bounce 0, reports abuse@host.example
failed, then delayed: is_bounce 0, reports abuse@host.example
relayed, then failed: is_bounce 0, reports "
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
