"""`sekisho inspect`: a certificate as the parser sees it, field by field, and which profiles would take it."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sekisho.cli.base import console, instant, json_option, print_json, when_option
from sekisho.cli.extensions import NAMES, PERSONAL, describe, hexadecimal
from sekisho.cli.fitness import Objection, objections
from sekisho.cli.inputs import Input, certificates_in, trust_option, trust_store
from sekisho.cli.parts import Element, Part, Parts, dotted, elements, parse
from sekisho.names import name_string
from sekisho.profiles import SIGNATURE_ALGORITHMS, Profile, shipped
from sekisho.reasons import Reason
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = ["command"]

HIDDEN: Final = "(personal, not shown)"


@dataclass(frozen=True)
class Field:
    """One field as it is shown; `part` is None where no bytes of its own stand for it."""

    name: str
    lines: list[str]
    part: Part | None
    personal: bool = False
    critical: bool = False


@dataclass(frozen=True)
class Opinion:
    """What one profile would say: all that speaks against the certificate, and the engine's verdict if it was asked."""

    profile: Profile
    against: list[Objection]
    verdict: Reason | None


@click.command()
@click.argument("file")
@trust_option(required=False)
@when_option("The time at which profiles judge")
@click.option("--redact", is_flag=True, help="Leave out what says who the holder is, for showing to others.")
@click.option("--der", "list_der", is_flag=True, help="List every DER element too: offset, length, tag.")
@json_option
def command(
    *,
    file: str,
    anchors: tuple[str, ...],
    intermediates: tuple[str, ...],
    at: int,
    redact: bool,
    list_der: bool,
    as_json: bool,
) -> None:
    """Show a certificate field by field, with offsets, and say which profiles would take it and why others would not.

    FILE is PEM or DER; - is standard input. It is parsed as a login's certificate would be: one that is refused is shown
    as far as it can be, with the reason and the offset of the fault. Without --trust, profiles judge what the
    certificate itself says; with it, each one's whole verdict is there too.

    THIS SHOWS PERSONAL DATA: a holder's certificate says who somebody is. --redact leaves that out.

    \b
    Examples:
      sekisho inspect my.cer
      sekisho inspect my.cer --trust jpki
      sekisho inspect my.cer --redact > for-the-ticket.txt
      sekisho inspect broken.cer --der

    Ends with 1 if the certificate is refused by the parser.
    """
    inputs = certificates_in(file)
    trust = trust_store(anchors, intermediates) if anchors else None
    views = [_view(one, trust, at, redact=redact, list_der=list_der) for one in inputs]
    if as_json:
        print_json([view.as_json() for view in views] if len(views) > 1 else views[0].as_json())
    else:
        out = console()
        for view in views:
            view.show(out)
    sys.exit(0 if all(view.parts.reason is None for view in views) else 1)


def _view(one: Input, trust: TrustStore | None, at: int, *, redact: bool, list_der: bool) -> _View:
    parts = parse(one.der)
    opinions = []
    for name in shipped():
        profile = Profile.load(name)
        verdict = None
        if trust is not None:
            verdict = Verifier(trust, profile).verify_certificates([one.der], at=at)[0].reason
        opinions.append(Opinion(profile, objections(parts, profile, at), verdict))
    return _View(one, parts, opinions, at, redact, elements(one.der) if list_der else None)


# ---- fields ------------------------------------------------------------------------------------------


def _fields(der: bytes, parts: Parts) -> list[Field]:
    holder = not parts.is_ca
    algorithms = {number: name for name, number in SIGNATURE_ALGORITHMS.items()}
    after_issuer = parts.issuer.offset + parts.issuer.length
    validity = Part(after_issuer, parts.subject.offset - after_issuer, b"")
    fields = [
        Field("tbsCertificate", ["what the issuer signed"], parts.tbs),
        Field("version", [str(parts.version)], None),
        Field("serialNumber", [parts.serial.content.hex()], parts.serial, personal=holder),
        Field("signature algorithm", [algorithms.get(parts.signature_algorithm, "not known here")], None),
        Field("issuer", [_name(parts.issuer)], parts.issuer),
        Field("validity", [f"{instant(parts.not_before)} to {instant(parts.not_after)}"], validity, personal=holder),
        Field("subject", [_name(parts.subject)], parts.subject, personal=holder),
        Field("public key", [_key(parts)], parts.spki, personal=False),
    ]
    if parts.modulus:
        fields.append(Field("  modulus", [hexadecimal(parts.modulus.content, 16)], parts.modulus, personal=holder))
    if parts.point:
        fields.append(Field("  point", [hexadecimal(parts.point.content, 16)], parts.point, personal=holder))
    for one in parts.extensions:
        lines = describe(one.oid, one.value.content)
        personal = holder and (one.oid in PERSONAL or one.oid not in NAMES)
        fields.append(Field(NAMES.get(one.oid, one.oid), lines, one.value, personal, one.critical))
    fields.append(Field("signature", [hexadecimal(parts.signature.content, 16)], parts.signature, personal=holder))
    return fields


def _name(part: Part) -> str:
    try:
        return name_string(part.content) or "(empty)"
    except ValueError:
        return hexadecimal(part.content)


def _key(parts: Parts) -> str:
    if parts.key_reason is not None:
        return f"{parts.key_reason.kebab}: {parts.key_reason.english}"
    if parts.key_kind == "RSA":
        return f"RSA, {parts.key_bits} bits, exponent {parts.key_exponent}"
    return parts.key_kind


# ---- showing -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    given: Input
    parts: Parts
    opinions: list[Opinion]
    at: int
    redact: bool
    listing: tuple[list[Element], int | None] | None

    def lines(self, one: Field) -> list[str]:
        return [HIDDEN] if self.redact and one.personal else one.lines

    @property
    def fields(self) -> list[Field]:
        return _fields(self.given.der, self.parts) if self.parts.readable else []

    def as_json(self) -> dict[str, Any]:
        refused = self.parts.reason
        shown: dict[str, Any] = {
            "input": self.given.source,
            "bytes": len(self.given.der),
            "reason": refused.kebab if refused is not None else None,
            "fault": self.parts.fault if refused is not None else None,
            "at": self.at,
            "fields": [
                {
                    "name": one.name.strip(),
                    "offset": one.part.offset if one.part is not None else None,
                    "length": one.part.length if one.part is not None else None,
                    "critical": one.critical,
                    "personal": one.personal,
                    "value": self.lines(one),
                }
                for one in self.fields
            ],
            "profiles": [
                {
                    "name": one.profile.name,
                    "against": [
                        {"reason": item.reason.kebab, "why": HIDDEN if self.redact and item.personal else item.why}
                        for item in one.against
                    ],
                    "needs_revocation": one.profile.revocation == "required",
                    "verdict": one.verdict.kebab if one.verdict is not None else None,
                }
                for one in self.opinions
            ],
        }
        if not self.redact:
            shown["sha256"] = hashlib.sha256(self.given.der).hexdigest()
        if self.listing is not None:
            found, fault = self.listing
            keys = ("offset", "depth", "tag", "content", "length")
            shown["der"] = [{key: getattr(one, key) for key in keys} for one in found]
            shown["der_fault"] = fault
        return shown

    def show(self, out: Console) -> None:
        size = f"{len(self.given.der):,} bytes"
        out.print(Text(self.given.source, style="bold") + Text(f"   {size}"))
        if not self.redact:
            out.print(Text(f"SHA-256 {hashlib.sha256(self.given.der).hexdigest()}", style="dim"))
        if self.parts.reason is not None:
            self._show_refusal(out, self.parts.reason)
        fields = self.fields
        if any(one.personal for one in fields):
            note = (
                "Personal data is left out."
                if self.redact
                else "PERSONAL DATA: this says who somebody is. --redact hides it."
            )
            out.print(Text(note, style="yellow"))
        if fields:
            out.print()
            self._show_fields(out, fields)
        if self.listing is not None:
            out.print()
            self._show_listing(out, *self.listing)
        if self.parts.readable:
            out.print()
            self._show_opinions(out)

    def _show_refusal(self, out: Console, reason: Reason) -> None:
        der, fault = self.given.der, self.parts.fault
        out.print(Text(f"refused: {reason.kebab}, at offset {fault}", style="bold red"))
        out.print(Text(f"  {reason.english} ({reason.source})"), soft_wrap=True)
        if der and not self.redact:
            start = max(0, fault - 8)
            before, here = der[start:fault].hex(" "), der[fault : fault + 16].hex(" ")
            out.print(
                Text(f"  {start:>6}  {before} ") + Text(f"[{here}]", style="bold") + Text("  from the bracket on")
            )

    def _show_fields(self, out: Console, fields: list[Field]) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("offset", justify="right", no_wrap=True)
        table.add_column("bytes", justify="right", no_wrap=True)
        table.add_column("field", no_wrap=True)
        table.add_column("", overflow="fold")
        for one in fields:
            where = (str(one.part.offset), str(one.part.length)) if one.part is not None else ("", "")
            label = Text(one.name) + Text(" critical" if one.critical else "", style="magenta")
            table.add_row(*where, label, Text("\n".join(self.lines(one))))
        out.print(table)

    def _show_listing(self, out: Console, found: list[Element], fault: int | None) -> None:
        for one in found:
            content = self.given.der[one.content : one.content + one.length]
            value = f"  {dotted(content)}" if one.tag == 0x06 else ""
            out.print(
                Text(f"{one.offset:>6} {one.length:>6}  {'  ' * one.depth}{_tag(one.tag)}{value}"), soft_wrap=True
            )
        if fault is not None:
            out.print(Text(f"{fault:>6}         not DER from here on", style="bold red"))

    def _show_opinions(self, out: Console) -> None:
        asked = any(one.verdict is not None for one in self.opinions)
        out.print(Text(f"Who would take it, at {instant(self.at)}", style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("profile", no_wrap=True)
        if asked:
            table.add_column("verdict under --trust", no_wrap=True)
        table.add_column("what the certificate itself says", overflow="fold")
        for one in self.opinions:
            cells = [Text(one.profile.name)]
            if asked and one.verdict is not None:
                good = one.verdict is Reason.CERTIFICATE_OK
                cells.append(Text(one.verdict.kebab, style="green" if good else "bold red"))
            cells.append(_said(one, self.redact))
            table.add_row(*cells)
        out.print(table)
        if not asked:
            note = "The issuer's signature was not checked: --trust asks each profile for its whole verdict."
            out.print(Text(note, style="dim"))


def _said(one: Opinion, redact: bool) -> Text:
    if not one.against:
        besides = ", if revocation data clears it" if one.profile.revocation == "required" else " (a test profile)"
        return Text("nothing against it", style="green") + Text(besides, style="dim")
    return Text("; ").join(
        Text(item.reason.kebab, style="red") + Text("" if redact and item.personal else f" ({item.why})", style="dim")
        for item in one.against
    )


_TAGS: Final = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0C: "UTF8String",
    0x13: "PrintableString",
    0x16: "IA5String",
    0x17: "UTCTime",
    0x18: "GeneralizedTime",
    0x30: "SEQUENCE",
    0x31: "SET",
}


def _tag(tag: int) -> str:
    if tag in _TAGS:
        return _TAGS[tag]
    return f"[{tag & 0x1F}]" if tag & 0xC0 == 0x80 else f"tag {tag:#04x}"
