"""Decoding: by mark, coding line, UTF-8, and else by the looks of the bytes; binary files are none."""

import codecs

import pytest

from sca_hf.corpus.decoding import decode

TEXT = 'def f(a):\n    """Größe, naïve café."""\n    return a\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.encode("cp1252"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
    ],
)
def test_marks_lines_and_undeclared_latin_give_the_same_text(content: bytes) -> None:
    assert decode(content) == TEXT


def test_a_coding_line_counts_unless_the_bytes_are_no_such_text() -> None:
    assert "Größe" in decode(f"# -*- coding: latin-1 -*-\n{TEXT}".encode("latin-1"))
    assert "Größe" in decode(f"# -*- coding: ascii -*-\n{TEXT}".encode("cp1252"))
    assert "Größe" in decode(f"# -*- coding: no-such -*-\n{TEXT}".encode("cp1252"))
    assert "x" in decode(b"# -*- coding: utf-8 -*-\nx = '\xfc'\n")


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Возвращает сумму чисел и печатает результат.", "cp1251"),
        ("Возвращает сумму чисел и печатает результат.", "koi8_r"),
        ("计算列表的平均值，如果列表为空则返回零。参数是数字列表。", "gb18030"),
        ("二つの数の合計を返します。結果を表示する。", "cp932"),
        ("二つの数の合計を返します。結果を表示する。", "euc_jp"),
        ("두 숫자의 합을 반환하고 결과를 출력합니다.", "cp949"),
    ],
)
def test_undeclared_encodings_are_known_by_their_letters(words: str, encoding: str) -> None:
    text = f'def f(a):\n    """{words}"""\n    return a\n'
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x00\x80\xff", codecs.BOM_UTF16_LE + b"\x00\xd8x", b"\xff\0\xff"])
def test_binary_files_are_no_text(content: bytes) -> None:
    with pytest.raises((UnicodeDecodeError, SyntaxError, LookupError)):
        decode(content)
