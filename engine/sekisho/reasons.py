"""Reasons: the closed list of what a row can be told, each with its sentences, its blame and its source.

The numbers are those of `seki_reason` in native/include/sekisho.h and never change their meaning; the kebab-case
names stand in JSON, TOML and metrics.  Sentences are for the people who run a system.  What a citizen may see is an
`Advice`, one of four sentences that tell an attacker nothing.
"""

from __future__ import annotations

import difflib
import enum
from typing import NoReturn, Self

__all__ = ["Advice", "Blame", "Reason"]


class Blame(enum.Enum):
    """Who has to do something about a refusal."""

    HOLDER = "holder"
    """Whoever sent the certificate or the signature, or the program that sent it for them."""
    RELYING_PARTY = "relying-party"
    """The service that asked for the login."""
    OPERATOR = "operator"
    """Whoever runs sekisho: trust store, profiles, keys, clocks, capacity."""
    SEKISHO = "sekisho"
    """sekisho itself."""


class Advice(enum.Enum):
    """What a citizen may be shown: `english` and `japanese`, the same for every reason of the class."""

    english: str
    japanese: str

    def __new__(cls, name: str, english: str = "", japanese: str = "") -> Self:
        advice = object.__new__(cls)
        advice._value_ = name
        advice.english = english
        advice.japanese = japanese
        return advice

    TRY_AGAIN = (
        "try-again",
        "We could not complete this. Please start again from the beginning; if it happens again, wait a while, or ask "
        "the service that you are using.",
        "手続きを完了できませんでした。はじめからもう一度お試しください。続く場合は、しばらく待つか、"
        "ご利用のサービスの窓口にお問い合わせください。",
    )
    OTHER_CERTIFICATE = (
        "other-certificate",
        "This certificate cannot be used here. Please use another one, of the kind that the service asks for.",
        "この電子証明書はここではご利用になれません。サービスが求める種類の、別の電子証明書をお使いください。",
    )
    GO_TO_OFFICE = (
        "go-to-office",
        "Your certificate cannot be used at present. Please ask the office that issued it (for My Number Cards: your "
        "municipal office) to renew or reissue it.",
        "お使いの電子証明書は現在ご利用になれません。更新や再発行について、発行元の窓口"
        "（マイナンバーカードの場合はお住まいの市区町村の窓口）にお問い合わせください。",
    )
    STOP = (
        "stop",
        "For your safety we stopped here. Please do not go on: close this page and open the service again from its "
        "own site or app. If you did not ask for this, tell the service.",
        "安全のため、手続きを中止しました。このまま続けずに画面を閉じ、サービスの公式のサイトやアプリから"
        "開き直してください。お心当たりがない場合は、サービスの窓口にご連絡ください。",
    )


_H, _R, _O, _S = Blame.HOLDER, Blame.RELYING_PARTY, Blame.OPERATOR, Blame.SEKISHO
_AGAIN, _OTHER, _OFFICE, _STOP = Advice.TRY_AGAIN, Advice.OTHER_CERTIFICATE, Advice.GO_TO_OFFICE, Advice.STOP
_DESIGN = "sekisho docs/ARCHITECTURE.md"
_SECURITY = "sekisho docs/SECURITY.md"


class Reason(enum.IntEnum):
    """Why a row got its verdict.

    Attributes:
        blame: who has to act; None for the positive reasons.
        advice: what a citizen may be shown; None for the positive reasons.
        source: the public document that the reason rests on.
        english, japanese: one sentence for the people who run a system.

    A reason has no truth value: compare it with the one that your call asks for, or ask the verdict for `.ok`.
    """

    blame: Blame | None
    advice: Advice | None
    source: str
    english: str
    japanese: str

    def __new__(  # noqa: PLR0917 - members are rows of one table
        cls,
        number: int,
        blame: Blame | None = None,
        advice: Advice | None = None,
        source: str = "",
        english: str = "",
        japanese: str = "",
    ) -> Self:
        reason = int.__new__(cls, number)
        reason._value_ = number
        reason.blame = blame
        reason.advice = advice
        reason.source = source
        reason.english = english
        reason.japanese = japanese
        return reason

    NOT_DECIDED = (
        *(0, _S, _AGAIN, _DESIGN),
        "Nothing was decided about this row, which never counts as a yes.",
        "この行については何も判定されていません。判定がないものは受け入れません。",
    )
    ACCEPTED = (
        *(1, None, None, _DESIGN),
        "The login is accepted: signature, certificate, path and challenge passed every check of the profile.",
        "ログインを受け入れました。署名・証明書・認証パス・チャレンジはプロファイルのすべての検査に合格しています。",
    )
    SIGNATURE_OK = (
        *(2, None, None, "RFC 8017, 8.1.2 and 8.2.2; FIPS 186-5, 6.4.2; RFC 8032, 5.1.7"),
        "The signature is right for this key, mode and message; nothing else was looked at.",
        "この鍵・方式・メッセージに対する署名は正しいものです。それ以外は検査していません。",
    )
    CERTIFICATE_OK = (
        *(3, None, None, "RFC 5280, 6.1"),
        "The certificate is valid for the profile; that its holder has the key must be proven elsewhere.",
        "証明書はプロファイルに照らして有効です。所持者が鍵を持つことは別に確認が必要です。",
    )
    CHALLENGE_OK = (
        *(4, None, None, _DESIGN),
        "The challenge is ours, fresh and meant for this use; it was not claimed, and this is not a login.",
        "チャレンジは当方が発行した有効期間内のもので、用途も一致します。使用済みにはしておらず、ログインではありません。",
    )

    # ---- the request

    INPUT_MISSING = (
        *(16, _R, _AGAIN, _DESIGN),
        "A certificate, challenge, message or signature that the call needs is empty.",
        "必要な証明書・チャレンジ・メッセージ・署名のいずれかが空です。",
    )
    INPUT_TOO_LARGE = (
        *(17, _R, _AGAIN, _DESIGN),
        "A field is longer than the limit that sekisho.h sets for it.",
        "いずれかの項目が、定められた長さの上限を超えています。",
    )
    MODE_UNKNOWN = (
        *(18, _R, _AGAIN, _DESIGN),
        "The signature mode is not one of those that sekisho knows.",
        "指定された署名方式は、sekisho が対応する方式ではありません。",
    )
    TOO_MANY_INTERMEDIATES = (
        *(19, _H, _OTHER, _DESIGN),
        "More intermediate certificates were sent with the leaf than a login may bring.",
        "証明書とともに送られた中間証明書が、許される数を超えています。",
    )

    # ---- the challenge

    CHALLENGE_MALFORMED = (
        *(32, _R, _AGAIN, "RFC 4648, 5; sekisho docs/PROTOCOL.md"),
        "What was signed does not have the form of a challenge of ours.",
        "署名の対象が、当方のチャレンジの形式ではありません。",
    )
    CHALLENGE_KEY_UNKNOWN = (
        *(33, _O, _AGAIN, _DESIGN),
        "The challenge names a key that is not in the key set: it was retired, or another installation issued it.",
        "チャレンジが示す鍵が鍵セットにありません。廃止された鍵か、別の環境が発行したものです。",
    )
    CHALLENGE_FORGED = (
        *(34, _H, _STOP, "RFC 2104; sekisho docs/SECURITY.md"),
        "The challenge's MAC is wrong: it was altered, or it belongs to another session (binding).",
        "チャレンジの認証コードが一致しません。改変されたか、別のセッションに結び付いたものです。",
    )
    CHALLENGE_EXPIRED = (
        *(35, _H, _AGAIN, "NIST SP 800-63B, 5.2.8"),
        "The challenge's life was over when it came back.",
        "チャレンジの有効期間が過ぎています。",
    )
    CHALLENGE_NOT_YET_VALID = (
        *(36, _O, _AGAIN, _DESIGN),
        "The challenge was issued in the future: the issuing and the checking clock differ by more than the skew.",
        "チャレンジの発行時刻が未来です。発行側と検査側の時計のずれが許容範囲を超えています。",
    )
    CHALLENGE_WRONG_TENANT = (
        *(37, _R, _STOP, _SECURITY),
        "The challenge was issued for another tenant.",
        "チャレンジは別のテナント向けに発行されたものです。",
    )
    CHALLENGE_WRONG_AUDIENCE = (
        *(38, _R, _STOP, _SECURITY),
        "The challenge was issued for another audience: it may have been relayed.",
        "チャレンジは別の相手先向けに発行されたものです。中継された疑いがあります。",
    )
    CHALLENGE_WRONG_PROFILE = (
        *(39, _R, _STOP, _SECURITY),
        "The challenge was issued for another profile.",
        "チャレンジは別のプロファイル向けに発行されたものです。",
    )
    CHALLENGE_WRONG_TRANSACTION = (
        *(40, _R, _STOP, _SECURITY),
        "The challenge is bound to another transaction than the one presented, or only one of the two has one.",
        "チャレンジに結び付いた取引の内容が、提示された取引と一致しません。",
    )
    CHALLENGE_USED = (
        *(41, _H, _AGAIN, "NIST SP 800-63B, 5.2.8"),
        "A login with this challenge was accepted before.",
        "このチャレンジによるログインは、すでに一度受け入れられています。",
    )
    CHALLENGE_LOCKED = (
        *(42, _H, _AGAIN, "NIST SP 800-63B, 5.2.2; sekisho docs/SECURITY.md"),
        "Too many wrong signatures came with this challenge; issue another one.",
        "このチャレンジに対する誤った署名が多すぎます。新しいチャレンジを発行してください。",
    )
    CHALLENGE_FORM_FORBIDDEN = (
        *(43, _R, _STOP, "RFC 8017, 9.2; sekisho docs/SECURITY.md"),
        "The relying party's challenge could be a hash or a DigestInfo, whose signature would sign a document.",
        "チャレンジがハッシュ値や DigestInfo とみなせる形のため、文書への署名に転用されるおそれがあります。",
    )
    CLAIMS_LOST = (
        *(44, _O, _AGAIN, _DESIGN),
        "The set of used challenges was lost after this challenge was issued, so nobody can say that it is unused.",
        "このチャレンジの発行後に使用済み記録が失われたため、未使用であることを確認できません。",
    )
    CLAIMS_FULL = (
        *(45, _O, _AGAIN, _DESIGN),
        "The set of used challenges has no room: it was made for fewer acceptances than there are now.",
        "使用済み記録に空きがありません。現在の受け入れ件数に対して容量が不足しています。",
    )
    CLOCK_WENT_BACK = (
        *(46, _O, _AGAIN, _DESIGN),
        "The time of this batch lies before one that was already seen on this machine.",
        "この処理の時刻が、このマシンですでに観測された時刻より前に戻っています。",
    )
    CLAIMS_UNAVAILABLE = (
        *(47, _O, _AGAIN, _DESIGN),
        "The store in which replicas share claims could not be asked or cannot be relied on: nobody can say that this is unused.",
        "複製間で共有する使用済み記録に問い合わせできないか、信頼できないため、未使用であることを確認できません。",
    )

    # ---- the certificate as bytes

    CERTIFICATE_MALFORMED = (
        *(64, _H, _OTHER, "X.690, 10 and 11; RFC 5280, 4.1"),
        "The certificate is not strict DER, or not the ASN.1 of a certificate.",
        "証明書が厳密な DER でないか、証明書の ASN.1 構造になっていません。",
    )
    CERTIFICATE_TRAILING_DATA = (
        *(65, _H, _OTHER, "RFC 5280, 4.1"),
        "Bytes follow the end of the certificate.",
        "証明書の終わりのあとに余分なデータがあります。",
    )
    CERTIFICATE_VERSION = (
        *(66, _H, _OTHER, "RFC 5280, 4.1.2.1"),
        "The certificate's version is unknown, or does not go with the fields that it has.",
        "証明書のバージョンが不明か、含まれる項目と合いません。",
    )
    CERTIFICATE_SERIAL = (
        *(67, _H, _OTHER, "RFC 5280, 4.1.2.2"),
        "The serial number is not a positive integer of at most 20 octets.",
        "シリアル番号が 20 オクテット以内の正の整数ではありません。",
    )
    CERTIFICATE_ALGORITHMS_DIFFER = (
        *(68, _H, _OTHER, "RFC 5280, 4.1.1.2"),
        "The signature algorithm inside the certificate is not the one outside.",
        "証明書の内側と外側の署名アルゴリズムが一致しません。",
    )
    CERTIFICATE_VALIDITY_MALFORMED = (
        *(69, _H, _OTHER, "RFC 5280, 4.1.2.5"),
        "A validity date does not have the form that it must have.",
        "有効期間の日時が、定められた形式ではありません。",
    )
    CERTIFICATE_NAME_MALFORMED = (
        *(70, _H, _OTHER, "RFC 5280, 4.1.2.4"),
        "The subject's or issuer's name is not a well-formed Name.",
        "主体者名または発行者名の形式が正しくありません。",
    )
    CERTIFICATE_EXTENSION_MALFORMED = (
        *(71, _H, _OTHER, "RFC 5280, 4.2"),
        "An extension cannot be decoded to its end.",
        "拡張領域を最後まで正しく読み取れません。",
    )
    CERTIFICATE_EXTENSION_DUPLICATE = (
        *(72, _H, _OTHER, "RFC 5280, 4.2"),
        "The same extension stands in the certificate twice.",
        "同じ拡張領域が証明書に二つ以上あります。",
    )
    CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL = (
        *(73, _H, _OTHER, "RFC 5280, 6.1.4 (o) and 6.1.5 (f)"),
        "The certificate has a critical extension that sekisho does not process.",
        "sekisho が処理できないクリティカルな拡張領域が証明書にあります。",
    )

    # ---- keys

    KEY_MALFORMED = (
        *(96, _H, _OTHER, "RFC 5280, 4.1.2.7; RFC 3279, 2.3"),
        "The public key is not a well-formed SubjectPublicKeyInfo.",
        "公開鍵が正しい SubjectPublicKeyInfo の形式ではありません。",
    )
    KEY_UNSUPPORTED = (
        *(97, _H, _OTHER, _DESIGN),
        "The public key is of a kind that is not verified here: RSA, P-256, P-384 and Ed25519 are.",
        "対応していない種類の公開鍵です。対応するのは RSA・P-256・P-384・Ed25519 です。",
    )
    KEY_TOO_SMALL = (
        *(98, _H, _OTHER, "FIPS 186-5, 5.1"),
        "The RSA key has fewer bits than 2048, or than the profile demands.",
        "RSA 鍵の長さが 2048 ビット、またはプロファイルの下限を下回っています。",
    )
    KEY_TOO_LARGE = (
        *(99, _H, _OTHER, _DESIGN),
        "The RSA key has more bits than 8192, or than the profile allows.",
        "RSA 鍵の長さが 8192 ビット、またはプロファイルの上限を超えています。",
    )
    KEY_MODULUS_EVEN = (
        *(100, _H, _OTHER, "RFC 8017, 3.1"),
        "The RSA modulus is even, so it is no product of two odd primes.",
        "RSA の法が偶数であり、二つの奇素数の積になっていません。",
    )
    KEY_EXPONENT = (
        *(101, _H, _OTHER, "FIPS 186-5, A.1.1; RFC 8017, 3.1"),
        "The RSA exponent is even, 1, larger than is read, or below the 65537 that certificates need.",
        "RSA の公開指数が偶数・1・過大のいずれか、または証明書に必要な 65537 を下回っています。",
    )
    KEY_POINT = (
        *(102, _H, _OTHER, "NIST SP 800-56A, 5.6.2.3.3"),
        "The public key is not a point on its curve.",
        "公開鍵が曲線上の点ではありません。",
    )
    KEY_MODE_MISMATCH = (
        *(103, _H, _OTHER, _DESIGN),
        "The key is of a kind that the mode or the profile does not take.",
        "この種類の鍵は、指定の署名方式またはプロファイルでは受け付けません。",
    )

    # ---- the path

    ISSUER_UNKNOWN = (
        *(128, _H, _OTHER, "RFC 5280, 6.1.3 (a)(4)"),
        "No trusted certificate bears the issuer's name, or no path leads to one.",
        "発行者名に一致する信頼された証明書がないか、そこへ至る認証パスがありません。",
    )
    ISSUER_SIGNATURE_WRONG = (
        *(129, _H, _STOP, "RFC 5280, 6.1.3 (a)(1)"),
        "No admitted key of the issuer's name signed this certificate.",
        "発行者名を持つどの鍵も、この証明書に署名していません。",
    )
    ISSUER_NOT_CA = (
        *(130, _O, _OTHER, "RFC 5280, 6.1.4 (k)"),
        "The issuing certificate is not that of a CA: no version 3 with basicConstraints cA TRUE.",
        "発行元の証明書が認証局のものではありません（バージョン 3 で cA が TRUE であることが必要です）。",
    )
    ISSUER_KEY_USAGE = (
        *(131, _O, _OTHER, "RFC 5280, 6.1.4 (n)"),
        "The issuing certificate's key may not sign certificates: keyCertSign is missing.",
        "発行元の証明書の鍵用途に keyCertSign がなく、証明書に署名できません。",
    )
    ISSUER_NOT_ALLOWED = (
        *(132, _H, _OTHER, "RFC 5280, 6.1.1 (d)"),
        "The issuer is trusted, but not for this profile.",
        "発行者は信頼されていますが、このプロファイルでは許可されていません。",
    )
    ISSUER_EXPIRED = (
        *(133, _H, _OFFICE, "RFC 5280, 6.1.3 (a)(2)"),
        "A CA certificate of the path was no longer valid at the time checked.",
        "検査時刻において、認証パス上の認証局証明書の有効期間が過ぎています。",
    )
    ISSUER_NOT_YET_VALID = (
        *(134, _O, _AGAIN, "RFC 5280, 6.1.3 (a)(2)"),
        "A CA certificate of the path was not yet valid at the time checked.",
        "検査時刻において、認証パス上の認証局証明書の有効期間がまだ始まっていません。",
    )
    PATH_TOO_LONG = (
        *(135, _H, _OTHER, "RFC 5280, 6.1.4 (l) and (m)"),
        "The path has more CA certificates than a pathLenConstraint or the profile allows.",
        "認証パス上の認証局証明書の数が、pathLenConstraint またはプロファイルの上限を超えています。",
    )
    PATH_BUDGET_SPENT = (
        *(136, _H, _AGAIN, _SECURITY),
        "The search for a path was given up: it took more signature checks than a login is granted.",
        "認証パスの探索を打ち切りました。一件のログインに認められた署名検証の回数を超えています。",
    )
    PATH_REFUSED = (
        *(137, _H, _OTHER, "RFC 5280, 6.1"),
        "OpenSSL refused the path for a reason that has no name of its own in this list.",
        "OpenSSL が認証パスを拒否しました。理由はこの一覧に個別の名前がないものです。",
    )
    NAME_CONSTRAINTS = (
        *(138, _H, _OTHER, "RFC 5280, 6.1.3 (b) and (c)"),
        "A name in the certificate lies outside of what a CA of the path may issue.",
        "証明書の名前が、認証パス上の認証局に許された名前の範囲の外にあります。",
    )
    EXPIRED = (
        *(139, _H, _OFFICE, "RFC 5280, 6.1.3 (a)(2)"),
        "The time checked is later than the certificate's notAfter.",
        "証明書の有効期間が過ぎています（検査時刻が notAfter より後です）。",
    )
    NOT_YET_VALID = (
        *(140, _H, _AGAIN, "RFC 5280, 6.1.3 (a)(2)"),
        "The time checked is earlier than the certificate's notBefore.",
        "証明書の有効期間がまだ始まっていません（検査時刻が notBefore より前です）。",
    )
    KEY_USAGE = (
        *(141, _H, _OTHER, "RFC 5280, 4.2.1.3"),
        "The certificate's key usage is not what the profile demands.",
        "証明書の鍵用途（keyUsage）が、プロファイルの求めるものではありません。",
    )
    EXTENDED_KEY_USAGE = (
        *(142, _H, _OTHER, "RFC 5280, 4.2.1.12"),
        "The certificate's extended key usage does not hold a purpose of the profile.",
        "証明書の拡張鍵用途（extendedKeyUsage）に、プロファイルの求める用途がありません。",
    )
    POLICY = (
        *(143, _H, _OTHER, "RFC 5280, 6.1.3 (f) and 6.1.5 (g)"),
        "The certificate is not valid for any certificate policy of the profile.",
        "証明書は、プロファイルの求める証明書ポリシーのいずれに対しても有効ではありません。",
    )
    ALGORITHM_NOT_ALLOWED = (
        *(144, _H, _OTHER, "RFC 5280, 6.1.1 (d); NIST SP 800-131A"),
        "The certificate is signed with an algorithm that the profile does not take.",
        "証明書の署名アルゴリズムは、プロファイルで許可されていません。",
    )
    LEAF_IS_CA = (
        *(145, _H, _OTHER, "RFC 5280, 4.2.1.9"),
        "A CA's certificate was presented as that of a holder.",
        "利用者の証明書として、認証局の証明書が提示されました。",
    )

    # ---- the signature

    SIGNATURE_WRONG = (
        *(160, _H, _STOP, "RFC 8017, 8.1.2 and 8.2.2; FIPS 186-5, 6.4.2; RFC 8032, 5.1.7"),
        "The signature is not that of this key over this message in this mode.",
        "署名が、この鍵・メッセージ・方式によるものと一致しません。",
    )
    SIGNATURE_MALFORMED = (
        *(161, _H, _STOP, "RFC 3279, 2.2.3; RFC 8017, 8.2.2; RFC 8032, 5.1.7"),
        "The signature does not have the form of its mode: bad DER, or a number out of range.",
        "署名が方式の定める形式ではありません（DER の誤り、または範囲外の数値です）。",
    )
    SIGNATURE_LENGTH = (
        *(162, _H, _STOP, "RFC 8017, 8.2.2, step 1; RFC 8032, 5.1.7"),
        "The signature is not exactly as long as the key and the mode demand.",
        "署名の長さが、鍵と方式から定まる長さと一致しません。",
    )
    SIGNATURE_UNCONFIRMED = (
        *(163, _S, _AGAIN, _SECURITY),
        "A lane found the signature wrong and nobody confirmed it, the budget being spent: it may be tried again.",
        "高速処理で誤りとされましたが、確認回数の上限に達したため未確認です。再度お試しいただけます。",
    )

    # ---- revocation

    REVOKED = (
        *(192, _H, _OFFICE, "RFC 5280, 6.1.3 (a)(3)"),
        "The certificate is revoked.",
        "証明書が失効しています。",
    )
    REVOCATION_NOT_CONFIGURED = (
        *(193, _O, _AGAIN, "RFC 5280, 6.3"),
        "The profile demands revocation data, and none is configured.",
        "プロファイルは失効情報を必要としますが、設定されていません。",
    )

    REVOCATION_UNKNOWN = (
        *(194, _O, _AGAIN, "RFC 5280, 6.3.3"),
        "No revocation data in force covers this certificate, and unknown is not good.",
        "この証明書を対象とする有効な失効情報がありません。不明なものは有効とみなしません。",
    )
    REVOCATION_STALE = (
        *(195, _O, _AGAIN, "RFC 5280, 5.1.2.5"),
        "The revocation data for this certificate is older than the profile allows.",
        "この証明書の失効情報が、プロファイルの許す期間より古くなっています。",
    )
    REVOCATION_NOT_YET_VALID = (
        *(196, _O, _AGAIN, "RFC 5280, 5.1.2.4"),
        "The revocation data for this certificate is later than the time of judgement.",
        "この証明書の失効情報は、判定の基準時刻より後のものです。",
    )
    REVOCATION_DAMAGED = (
        *(197, _O, _AGAIN, _DESIGN),
        "The revocation snapshot was damaged while it was in use.",
        "使用中の失効情報スナップショットが破損しました。",
    )
    ISSUER_REVOKED = (
        *(198, _O, _OTHER, "RFC 5280, 6.1.3 (a)(3)"),
        "A CA certificate between the certificate and its trust anchor is revoked.",
        "証明書からトラストアンカーまでの途中にある認証局証明書が失効しています。",
    )

    # ---- the engine

    ENGINE_FAULT = (
        *(224, _S, _AGAIN, _DESIGN),
        "sekisho itself failed on this row (out of memory, or OpenSSL's own trouble), and so it is refused.",
        "sekisho 自身の障害（メモリ不足や OpenSSL 側の問題など）のため、この行を拒否しました。",
    )

    # ---- CRLs: what a reader or a store says of one that it does not take; never said of a row

    CRL_MALFORMED = (
        *(256, _O, _AGAIN, "RFC 5280, 5.1"),
        "The file is no CRL in strict DER.",
        "ファイルは厳密な DER で書かれた CRL ではありません。",
    )
    CRL_TRAILING_DATA = (
        *(257, _O, _AGAIN, "X.690, 8.1"),
        "Something follows after the end of the CRL.",
        "CRL の終わりの後に余分なデータがあります。",
    )
    CRL_TRUNCATED = (
        *(258, _O, _AGAIN, "X.690, 8.1.3"),
        "The CRL ends before its length says.",
        "CRL が、示された長さより前で終わっています。",
    )
    CRL_TOO_LARGE = (
        *(259, _O, _AGAIN, _DESIGN),
        "The CRL, or a part of it, is larger than the limit.",
        "CRL またはその一部が上限を超えています。",
    )
    CRL_PEM_MALFORMED = (
        *(260, _O, _AGAIN, "RFC 7468, 6"),
        "The PEM around the CRL is damaged.",
        "CRL を包む PEM が壊れています。",
    )
    CRL_VERSION = (
        *(261, _O, _AGAIN, "RFC 5280, 5.1.2.1"),
        "The version does not allow what the CRL holds.",
        "CRL の版と内容が合いません。",
    )
    CRL_ALGORITHMS_DIFFER = (
        *(262, _O, _AGAIN, "RFC 5280, 5.1.1.2"),
        "The CRL names two different signature algorithms.",
        "CRL が示す二つの署名アルゴリズムが一致しません。",
    )
    CRL_ALGORITHM_NOT_ALLOWED = (
        *(263, _O, _AGAIN, _DESIGN),
        "The CRL is signed with an algorithm that is not taken.",
        "CRL の署名アルゴリズムは受け入れられません。",
    )
    CRL_TIME_MALFORMED = (
        *(264, _O, _AGAIN, "RFC 5280, 5.1.2.4 to 5.1.2.6"),
        "A time in the CRL is not as it must be written.",
        "CRL の時刻の書き方が正しくありません。",
    )
    CRL_NAME_MALFORMED = (
        *(265, _O, _AGAIN, "RFC 5280, 5.1.2.3"),
        "The issuer of the CRL is no proper Name.",
        "CRL の発行者名が正しい形ではありません。",
    )
    CRL_EXTENSION_MALFORMED = (
        *(266, _O, _AGAIN, "RFC 5280, 5.2"),
        "An extension of the CRL cannot be read, or must be there and is not.",
        "CRL の拡張が読めないか、必要な拡張がありません。",
    )
    CRL_EXTENSION_DUPLICATE = (
        *(267, _O, _AGAIN, "RFC 5280, 5.2 and 4.2"),
        "The CRL has one extension twice.",
        "CRL に同じ拡張が二つあります。",
    )
    CRL_EXTENSION_UNKNOWN_CRITICAL = (
        *(268, _O, _AGAIN, "RFC 5280, 5.2"),
        "The CRL has a critical extension that is not known here.",
        "CRL に未知の重要な拡張があります。",
    )
    CRL_ENTRY_MALFORMED = (
        *(269, _O, _AGAIN, "RFC 5280, 5.1.2.6"),
        "An entry of the CRL cannot be read.",
        "CRL の項目に読めないものがあります。",
    )
    CRL_ENTRY_EXTENSION = (
        *(270, _O, _AGAIN, "RFC 5280, 5.3"),
        "An entry of the CRL has an extension that is malformed, is there twice, or is critical and not known.",
        "CRL の項目の拡張が壊れているか、重複しているか、未知の重要な拡張です。",
    )
    CRL_ENTRY_DUPLICATE = (
        *(271, _O, _AGAIN, "RFC 5280, 5.3"),
        "The CRL names one certificate twice.",
        "CRL に同じ証明書が二度載っています。",
    )
    CRL_ISSUER_UNKNOWN = (
        *(272, _O, _AGAIN, "RFC 5280, 6.3.3 (f)"),
        "No trusted certificate has the name and key that signed the CRL.",
        "CRL に署名した名前と鍵を持つ、信頼された証明書がありません。",
    )
    CRL_ISSUER_KEY_USAGE = (
        *(273, _O, _AGAIN, "RFC 5280, 6.3.3 (f)"),
        "The key that signed the CRL is not for signing CRLs.",
        "CRL に署名した鍵は CRL への署名に使えないものです。",
    )
    CRL_SIGNATURE_WRONG = (
        *(274, _O, _AGAIN, "RFC 5280, 6.3.3 (g)"),
        "The signature of the CRL is wrong.",
        "CRL の署名が正しくありません。",
    )
    CRL_ISSUER_REVOKED = (
        *(275, _O, _AGAIN, "RFC 5280, 6.3.3 (f)"),
        "The certificate of the key that signed the CRL is revoked, or nothing tells that it is not.",
        "CRL に署名した鍵の証明書が失効しているか、失効していないと確認できません。",
    )
    CRL_NOT_YET_VALID = (
        *(276, _O, _AGAIN, "RFC 5280, 5.1.2.4"),
        "The thisUpdate of the CRL is in the future.",
        "CRL の発行日時が未来です。",
    )
    CRL_EXPIRED = (
        *(277, _O, _AGAIN, "RFC 5280, 5.1.2.5"),
        "The nextUpdate of the CRL has passed.",
        "CRL の次回更新日時を過ぎています。",
    )
    CRL_NUMBER_WENT_BACK = (
        *(278, _O, _AGAIN, "RFC 5280, 5.2.3"),
        "The CRL has a lower number than one that was taken before.",
        "CRL 番号が、すでに受け入れたものより小さくなっています。",
    )
    CRL_TIME_WENT_BACK = (
        *(279, _O, _AGAIN, "RFC 5280, 5.1.2.4"),
        "The CRL is older than one that was taken before.",
        "CRL は、すでに受け入れたものより古いものです。",
    )
    CRL_NUMBER_REUSED = (
        *(280, _O, _AGAIN, "RFC 5280, 5.2.3"),
        "Another CRL of this scope has had this number.",
        "同じ範囲の別の CRL が、すでにこの番号を使っています。",
    )
    CRL_KNOWN = (
        *(281, _O, _AGAIN, _DESIGN),
        "This very CRL is in force already.",
        "この CRL はすでに使用中です。",
    )
    CRL_DELTA_WITHOUT_BASE = (
        *(282, _O, _AGAIN, "RFC 5280, 5.2.4"),
        "A delta CRL came, and no complete CRL of its scope is there.",
        "差分 CRL が届きましたが、同じ範囲の完全な CRL がありません。",
    )
    CRL_DELTA_GAP = (
        *(283, _O, _AGAIN, "RFC 5280, 5.2.4"),
        "A delta CRL begins after the number that is in force: some are missing in between.",
        "差分 CRL の起点が使用中の番号より後で、間が欠けています。",
    )
    CRL_SCOPE_DIFFERS = (
        *(284, _O, _AGAIN, "RFC 5280, 5.2.4 (c)"),
        "The scope of a delta CRL is not that of its complete CRL.",
        "差分 CRL の範囲が、元の完全な CRL と一致しません。",
    )
    CRL_SCOPE_UNSUPPORTED = (
        *(285, _O, _AGAIN, "RFC 5280, 5.2.5"),
        "The CRL is for a scope that no login has, as attribute certificates are.",
        "CRL の対象範囲（属性証明書など）はログインに関係しません。",
    )

    # ---- snapshots

    SNAPSHOT_MALFORMED = (
        *(304, _O, _AGAIN, _DESIGN),
        "The file is no snapshot, or its directory is damaged.",
        "ファイルはスナップショットではないか、目録が壊れています。",
    )
    SNAPSHOT_VERSION = (
        *(305, _O, _AGAIN, _DESIGN),
        "The snapshot is of a version that is not read here.",
        "このスナップショットの版は読めません。",
    )
    SNAPSHOT_DIGEST = (
        *(306, _O, _AGAIN, _DESIGN),
        "The snapshot does not have the digest that it was built with.",
        "スナップショットのダイジェストが作成時と一致しません。",
    )
    SNAPSHOT_UNSIGNED = (
        *(307, _O, _AGAIN, _DESIGN),
        "The snapshot bears no publisher's signature.",
        "スナップショットに発行元の署名がありません。",
    )
    SNAPSHOT_SIGNATURE_WRONG = (
        *(308, _O, _AGAIN, _DESIGN),
        "The publisher's signature of the snapshot is wrong, or is not of a configured publisher.",
        "スナップショットの署名が誤っているか、設定された発行元のものではありません。",
    )
    SNAPSHOT_OLDER = (
        *(309, _O, _AGAIN, _DESIGN),
        "The snapshot is older than what was in force before.",
        "スナップショットは、以前使用していたものより古いものです。",
    )
    SNAPSHOT_BASE_MISSING = (
        *(310, _O, _AGAIN, _DESIGN),
        "The snapshot of deltas belongs to another base.",
        "差分のスナップショットの元となるスナップショットが別のものです。",
    )

    # ---- OCSP responses

    OCSP_MALFORMED = (
        *(320, _H, _AGAIN, "RFC 6960, 4.2.1"),
        "The OCSP response is not strict DER of its ASN.1.",
        "OCSP 応答は厳密な DER ではありません。",
    )
    OCSP_NOT_SUCCESSFUL = (
        *(321, _O, _AGAIN, "RFC 6960, 4.2.1"),
        "The OCSP responder gave no answer but an error.",
        "OCSP レスポンダーが回答ではなくエラーを返しました。",
    )
    OCSP_RESPONDER_UNKNOWN = (
        *(322, _O, _AGAIN, "RFC 6960, 4.2.2.2"),
        "The OCSP response is signed by nobody who is known here.",
        "OCSP 応答の署名者が不明です。",
    )
    OCSP_RESPONDER_NOT_ALLOWED = (
        *(323, _O, _AGAIN, "RFC 6960, 4.2.2.2"),
        "The signer of the OCSP response may not speak for this issuer.",
        "OCSP 応答の署名者は、この発行者を代行できません。",
    )
    OCSP_SIGNATURE_WRONG = (
        *(324, _H, _AGAIN, "RFC 6960, 3.2"),
        "The signature of the OCSP response is wrong.",
        "OCSP 応答の署名が正しくありません。",
    )
    OCSP_OTHER_CERTIFICATE = (
        *(325, _H, _AGAIN, "RFC 6960, 3.2"),
        "The OCSP response is about another certificate.",
        "OCSP 応答は別の証明書に関するものです。",
    )
    OCSP_NOT_YET_VALID = (
        *(326, _O, _AGAIN, "RFC 6960, 4.2.2.1"),
        "A thisUpdate or producedAt of the OCSP response is in the future.",
        "OCSP 応答の日時が未来です。",
    )
    OCSP_EXPIRED = (
        *(327, _H, _AGAIN, "RFC 6960, 4.2.2.1"),
        "The OCSP response is past its nextUpdate, or older than allowed.",
        "OCSP 応答の次回更新日時を過ぎたか、許される期間より古くなっています。",
    )
    OCSP_NONCE = (
        *(328, _O, _AGAIN, "RFC 9654"),
        "The nonce of the OCSP response is not the one that was asked with.",
        "OCSP 応答のノンスが問い合わせたものと一致しません。",
    )
    OCSP_EXTENSION_UNKNOWN_CRITICAL = (
        *(329, _O, _AGAIN, "RFC 6960, 4.4"),
        "The OCSP response has a critical extension that is not known here.",
        "OCSP 応答に未知の重要な拡張があります。",
    )
    OCSP_ALGORITHM_NOT_ALLOWED = (
        *(330, _O, _AGAIN, "RFC 6960, 4.3"),
        "The OCSP response is signed with an algorithm that is not taken.",
        "OCSP 応答の署名アルゴリズムは受け入れられません。",
    )

    @property
    def kebab(self) -> str:
        """The name in JSON, TOML and metrics: ``issuer-signature-wrong``."""
        return self.name.lower().replace("_", "-")

    @property
    def positive(self) -> bool:
        """Whether some call says this of a good row.  Which one depends on the call: `SIGNATURE_OK` is no login."""
        return self.blame is None

    @classmethod
    def from_kebab(cls, name: str) -> Self:
        """The reason called `name` in JSON, TOML and metrics.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        for reason in cls:
            if reason.kebab == name:
                return reason
        near = difflib.get_close_matches(name, [reason.kebab for reason in cls], n=1)
        raise ValueError(f"there is no reason {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a reason has no truth value: ask the verdict for .ok, or compare with the reason that your call asks for, "
            f"as in `reason is Reason.{'ACCEPTED' if not self.positive else self.name}`"
        )
