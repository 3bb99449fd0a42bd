"""Bounces of our own making, in the forms in which mail servers write them."""

OUR_ID = "<n1abcdefghijklmnopqrst@hotline.example>"
RETURNED = f"""\
Return-Path: <notices@hotline.example>
Received: from out.hotline.example by relay.example; Sat, 31 Jan 2026 12:00:00 +0000
Message-ID: {OUR_ID}
From: notices@hotline.example
To: abuse@host.example
Subject: Notice 7

Body of notice 7.
"""


def dsn(
    *groups: str,
    text: str = "A notice was not delivered.",
    returned: str = RETURNED,
    to: str = "notices@hotline.example",
    date: str = "Sat, 31 Jan 2026 13:00:00 +0000",
) -> bytes:
    """Write a delivery status by RFC 3464 with these groups of recipient fields."""
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Date: {date}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

{text}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

{chr(10).join(groups)}
--b1
Content-Type: message/rfc822

{returned}
--b1--
""".encode()


def group(
    address: str = "abuse@host.example",
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "smtp; 550 5.1.1 no such user",
    more: str = "",
) -> str:
    """Write the fields of one recipient."""
    return (
        f"Final-Recipient: rfc822; {address}\n{more}Action: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: {said}\n"
    )


def plain(
    text: str, subject: str = "Undeliverable mail", sender: str = "MAILER-DAEMON@relay.example"
) -> bytes:
    """Write a report that has words alone."""
    return f"""\
From: Mail Delivery System <{sender}>
To: notices@hotline.example
Subject: {subject}
Date: Sat, 31 Jan 2026 13:00:00 +0000

{text}
""".encode()
