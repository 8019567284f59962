"""Which concepts a completion of S->C names."""

import pytest

from sca_hf.prompts.concept_lists import parse_concepts

THREE = ["recursion", "list comprehension", "slicing"]


@pytest.mark.parametrize(
    "text",
    [
        "recursion, list comprehension, slicing",
        "\n recursion,\tlist comprehension,  slicing.\nmore, of it",
        "recursion; list comprehension; slicing",
        "recursion、list comprehension、slicing。",
        "recursion，list comprehension，slicing",
        "recursion；list comprehension, slicing;",
        "recursion, list comprehension, and slicing",
        "recursion,\nlist comprehension,\nslicing\nmore",
        "recursion, recursion, list comprehension, slicing, recursion",
        # numbered
        "1. recursion\n2. list comprehension\n3. slicing",
        "1) recursion\n2) list comprehension\n3) slicing\n\nThese are the concepts.",
        "(1) recursion;\n(2) list comprehension;\n(3) slicing.\n",
        "1. recursion\n\n2. list comprehension\n\n3. slicing\n\nThe code, as it is, …",
        "1. recursion, 2. list comprehension, 3. slicing",
        "1: recursion\n2: list comprehension\n3: slicing",
        # with bullets
        "- recursion\n- list comprehension\n- slicing",
        "* recursion\n* list comprehension\n* slicing",
        "• recursion\n• list comprehension\n• slicing",
        "  + recursion\n  + list comprehension\n  + slicing\nThey are used.",
        "- recursion, list comprehension\n- slicing",
        "- **recursion**: it calls itself\n- list comprehension - a loop in an expression\n- slicing — of lists",
        # labels
        "Concepts: recursion, list comprehension, slicing",
        "concepts:\n- recursion\n- list comprehension\n- slicing",
        "**Concepts:** recursion, list comprehension, slicing",
        "**Concepts**:\n\n1. recursion\n2. list comprehension\n3. slicing",
        "[Concepts]\nrecursion, list comprehension, slicing",
        "## Concepts\n\n* recursion\n* list comprehension\n* slicing",
        "Programming concepts: recursion, list comprehension, slicing",
        # quotes and stops
        '"recursion", "list comprehension", "slicing".',
        "'recursion', 'list comprehension', 'slicing.'",
        "“recursion”, ‘list comprehension’, «slicing».",
        "`recursion`, **list comprehension**, `slicing`...",
        "「recursion」、「list comprehension」、「slicing」。",
    ],
)
def test_three_concepts(text: str) -> None:
    assert parse_concepts(text, "stop") == THREE
    assert parse_concepts(text.replace("\n", "\r\n"), "stop") == THREE


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("one two three four five six seven eight nine, slicing", ["slicing"]),
        ("1. one two three four five six seven eight nine\n2. slicing", ["slicing"]),
        ("concept drift, sampling", ["concept drift", "sampling"]),
        ("android, operators", ["android", "operators"]),
        ("__init__ methods, C++, C#", ["__init__ methods", "C++", "C#"]),
        ("2D arrays, 3-way merge", ["2D arrays", "3-way merge"]),
        ("slicing\nrecursion, loops", ["slicing"]),
        (" , ,\n", []),
        ("Concepts:", []),
        ("1.\n2.\n", []),
        ("", []),
    ],
)
def test_concepts(text: str, concepts: list[str]) -> None:
    assert parse_concepts(text, "stop") == concepts


@pytest.mark.parametrize("finish_reason", ["length", "repetition"])
@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("recursion, list compre", ["recursion"]),
        ("recursion, slicing\nmo", ["recursion", "slicing"]),
        ("again and again and again and again and again and", []),
        ("recursion, slicing\n", ["recursion", "slicing"]),
        ("recurs", []),
        ("- recursion\n- slic", ["recursion"]),
        ("- recursion\n- slicing\n", ["recursion", "slicing"]),
        ("1. recursion\n2. slicing\n\nThese are", ["recursion", "slicing"]),
        ("Concepts: recursion; slic", ["recursion"]),
    ],
)
def test_a_concept_that_was_cut_off_is_none(text: str, finish_reason: str, concepts: list[str]) -> None:
    assert parse_concepts(text, finish_reason) == concepts
