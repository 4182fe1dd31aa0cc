"""Who lives in a synthetic city: names, addresses, dates of birth and validity, all decided by (seed, number).

The municipalities and their JIS X 0402 codes are real; the people are combinations of common names, and an address
is a common street name with drawn numbers: any likeness to a person is chance.
"""

from __future__ import annotations

import calendar
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from sekisho.testing.keys import stream

__all__ = ["MUNICIPALITIES", "Municipality", "Resident", "era_date", "resident"]


class Municipality(NamedTuple):
    """A municipality as certificates and addresses write it."""

    prefecture: str  # as in CRL partitions: Tokyo-to
    romaji: str  # Nerima-ku
    prefecture_ja: str
    japanese: str
    code: str  # JIS X 0401 and 0402, five digits


MUNICIPALITIES: Final = tuple(
    Municipality(*line.split())
    for line in """
    Gunma-ken Maebashi-shi 群馬県 前橋市 10201
    Hokkaido Sapporo-shi 北海道 札幌市 01100
    Hokkaido Ebetsu-shi 北海道 江別市 01217
    Aomori-ken Aomori-shi 青森県 青森市 02201
    Iwate-ken Morioka-shi 岩手県 盛岡市 03201
    Miyagi-ken Sendai-shi 宮城県 仙台市 04100
    Akita-ken Akita-shi 秋田県 秋田市 05201
    Yamagata-ken Yamagata-shi 山形県 山形市 06201
    Fukushima-ken Fukushima-shi 福島県 福島市 07201
    Ibaraki-ken Mito-shi 茨城県 水戸市 08201
    Ibaraki-ken Tsukuba-shi 茨城県 つくば市 08220
    Tochigi-ken Utsunomiya-shi 栃木県 宇都宮市 09201
    Gunma-ken Takasaki-shi 群馬県 高崎市 10202
    Saitama-ken Saitama-shi 埼玉県 さいたま市 11100
    Chiba-ken Chiba-shi 千葉県 千葉市 12100
    Tokyo-to Chiyoda-ku 東京都 千代田区 13101
    Tokyo-to Setagaya-ku 東京都 世田谷区 13112
    Tokyo-to Nerima-ku 東京都 練馬区 13120
    Tokyo-to Kiyose-shi 東京都 清瀬市 13221
    Kanagawa-ken Yokohama-shi 神奈川県 横浜市 14100
    Niigata-ken Niigata-shi 新潟県 新潟市 15100
    Toyama-ken Toyama-shi 富山県 富山市 16201
    Ishikawa-ken Kanazawa-shi 石川県 金沢市 17201
    Fukui-ken Fukui-shi 福井県 福井市 18201
    Yamanashi-ken Kofu-shi 山梨県 甲府市 19201
    Nagano-ken Nagano-shi 長野県 長野市 20201
    Gifu-ken Gifu-shi 岐阜県 岐阜市 21201
    Shizuoka-ken Shizuoka-shi 静岡県 静岡市 22100
    Aichi-ken Nagoya-shi 愛知県 名古屋市 23100
    Mie-ken Tsu-shi 三重県 津市 24201
    Shiga-ken Otsu-shi 滋賀県 大津市 25201
    Kyoto-fu Kyoto-shi 京都府 京都市 26100
    Osaka-fu Osaka-shi 大阪府 大阪市 27100
    Hyogo-ken Kobe-shi 兵庫県 神戸市 28100
    Nara-ken Nara-shi 奈良県 奈良市 29201
    Wakayama-ken Wakayama-shi 和歌山県 和歌山市 30201
    Tottori-ken Tottori-shi 鳥取県 鳥取市 31201
    Shimane-ken Matsue-shi 島根県 松江市 32201
    Okayama-ken Okayama-shi 岡山県 岡山市 33100
    Hiroshima-ken Hiroshima-shi 広島県 広島市 34100
    Yamaguchi-ken Yamaguchi-shi 山口県 山口市 35203
    Tokushima-ken Tokushima-shi 徳島県 徳島市 36201
    Kagawa-ken Takamatsu-shi 香川県 高松市 37201
    Ehime-ken Matsuyama-shi 愛媛県 松山市 38201
    Kochi-ken Kochi-shi 高知県 高知市 39201
    Fukuoka-ken Fukuoka-shi 福岡県 福岡市 40130
    Saga-ken Saga-shi 佐賀県 佐賀市 41201
    Nagasaki-ken Omura-shi 長崎県 大村市 42205
    Kumamoto-ken Kumamoto-shi 熊本県 熊本市 43100
    Oita-ken Oita-shi 大分県 大分市 44201
    Miyazaki-ken Miyazaki-shi 宮崎県 宮崎市 45201
    Kagoshima-ken Kagoshima-shi 鹿児島県 鹿児島市 46201
    Okinawa-ken Naha-shi 沖縄県 那覇市 47201
    """.strip().splitlines()
)
"""The first is the city itself, where half of the people live; the others moved away or came from there."""


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


_SURNAMES: Final = _words(
    "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 林 斎藤 清水",
    "山崎 森 池田 橋本 阿部 石川 山下 中島 石井 小川 前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木 坂本",
    "髙橋 渡邊 齋藤 吉﨑 五十嵐 東海林 勅使河原 辻\U000e0100",  # the last with a variation selector: two code points
)
_MEN: Final = _words(
    "太郎 一郎 誠 隆 浩 健一 大輔 翔太 蓮 湊 樹 陽翔 悠真 拓也 直樹 和也 達也 健太 亮 茂",
    "清 実 正 勇 博 進 三郎 昭 優 颯",
)
_WOMEN: Final = _words(
    "花子 和子 幸子 洋子 恵子 京子 裕子 由美子 明美 真由美 愛 彩 美咲 さくら 葵 結衣 陽菜 凛 千代 ハナ",
    "久美子 智子 典子 麻衣 七海 美穂 ひなた 紬 すみれ 節子",
)
_TOWNS: Final = _words(
    "本町 中央 栄町 緑町 大手町 旭町 元町 新町 東町 西町 南町 北町 若葉町 桜町 松原 幸町 日吉町 千代田町",
    "平和町 城東町",
)
_BUILDINGS: Final = ("", "", "", "コーポ桜", "メゾン緑", "ハイツ中央", "サンライズ", "県営住宅")
_KANJI_DIGITS: Final = "〇一二三四五六七八九"

_ERAS: Final = (  # first day, digit in the certificate (profile.json)
    (date(2019, 5, 1), "5"),
    (date(1989, 1, 8), "4"),
    (date(1926, 12, 25), "3"),
    (date(1912, 7, 30), "2"),
    (date(1868, 10, 23), "1"),
)

DAY: Final = 86_400
LAST_SECOND_JST: Final = 14 * 3600 + 59 * 60 + 59
"""Seconds into a UTC day; 23:59:59 in Japan, when a certificate's last day ends."""

ISSUED_DAYS_MAX: Final = 1424
"""Days; the fifth birthday after issue is at least four years away, so nobody's certificate has run out yet."""


class Resident(NamedTuple):
    """One person of a city, and when the card was issued.  Times in seconds since 1970."""

    number: int
    name: str
    sex: str  # 1 man, 2 woman, 3 other
    born: date
    municipality: Municipality
    address: str
    name_substitutes: str  # one 0 or 1 per character: 1 where another character stands for one that the card lacks
    address_substitutes: str
    issued: int
    expires: int
    common_name_auth: str  # 23 characters
    common_name_sign: str  # 28 digits


def era_date(day: date) -> str:
    """``EYYYYMMDD``, the form of a date of birth in a certificate: E names the era, the year is Gregorian."""
    era = next((digit for first, digit in _ERAS if day >= first), "0")
    return f"{era}{day:%Y%m%d}"


def resident(seed: object, number: int, at: int) -> Resident:
    """Person `number` of the city of that seed, holding certificates valid at `at` (seconds since 1970)."""
    draws = struct.unpack(">24I", stream("sekisho test-only resident", seed, number, size=96))

    home = draws[0] % (2 * (len(MUNICIPALITIES) - 1))
    municipality = MUNICIPALITIES[home + 1 if home < len(MUNICIPALITIES) - 1 else 0]
    sex = "3" if draws[1] % 500 == 0 else "12"[draws[1] & 1]
    given = _pick(_MEN if sex == "1" else _WOMEN, draws[2])
    name = f"{_pick(_SURNAMES, draws[3])}　{given}"

    today = _today(at)
    born = today - timedelta(days=21 * 365 + draws[4] % (85 * 365))  # 15 or more when the card was issued
    building = _pick(_BUILDINGS, draws[5])
    address = (
        f"{municipality.prefecture_ja}{municipality.japanese}{_pick(_TOWNS, draws[6])}"
        f"{_KANJI_DIGITS[1 + draws[7] % 9]}丁目{1 + draws[8] % 40}番{1 + draws[9] % 30}号"
        f"{building and f'　{building}{101 + draws[10] % 9 + 100 * (draws[11] % 8)}'}"
    )

    issued = (at // DAY - 1 - draws[12] % ISSUED_DAYS_MAX) * DAY + draws[13] % (8 * 3600)  # office hours in Japan
    expires = _fifth_birthday(born, datetime.fromtimestamp(issued, UTC).date())
    block = f"{draws[14]:08X}{''.join('ABCDEFGHI'[draw % 9] for draw in draws[15:21])}{municipality.code}"
    return Resident(
        number=number,
        name=name,
        sex=sex,
        born=born,
        municipality=municipality,
        address=address,
        name_substitutes=_substitutes(name),
        address_substitutes=_substitutes(address),
        issued=issued,
        expires=expires,
        common_name_auth=f"{block}{draws[21] % 1000:03d}A",
        common_name_sign=f"{draws[22] % 10**9:09d}{draws[23] % 10**6:06d}{municipality.code}{number % 10**8:08d}",
    )


def _pick(table: Sequence[str], draw: int) -> str:
    return table[draw % len(table)]


@lru_cache(maxsize=4)
def _today(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _fifth_birthday(born: date, issued: date) -> int:
    """The last second in Japan of the fifth birthday after the day of issue; a leap day's falls on the 28th."""
    year = issued.year + (4 if (born.month, born.day) > (issued.month, issued.day) else 5)
    day = 28 if (born.month, born.day) == (2, 29) and not calendar.isleap(year) else born.day
    return calendar.timegm((year, born.month, day, 0, 0, 0)) + LAST_SECOND_JST


def _substitutes(text: str) -> str:
    return "".join("1" if character in "\U000e0100﨑髙" else "0" for character in text)
