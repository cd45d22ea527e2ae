"""Text from data as LaTeX that every engine sets, and that breaks where a narrow column asks for it."""

import unicodedata

from pruning_oracle.bench.terminal import one_line

GREEK = {
    "αβγδεζηθικλμνξπρστυφχψω": "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon phi chi psi omega",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
}
WRITTEN = {
    **{letter: rf"$\{name}$" for letters, names in GREEK.items() for letter, name in zip(letters, names.split(), strict=True)},
    **{character: rf"\{character}" for character in "_%&#$"},
    "{": r"\textbraceleft{}",  # BibTeX counts braces, escaped ones too
    "}": r"\textbraceright{}",
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # in some languages of babel it begins a command
    "[": "{[}",  # behind the end of a row it would begin an argument, and so would *
    "*": "{*}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "ℓ": r"$\ell$",
    "†": r"$^\dagger$",
    "…": r"\ldots{}",
    "–": "--",
    **dict.fromkeys("æÆøØßœŒłŁı"),  # stay as they are
}
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"  # which every encoding of fonts has
BREAKS_AFTER = "_-.,:/+= "


def latex_text(text: str, run: int = 0) -> str:
    r"""Text as LaTeX, on one line; letters that pdfLaTeX cannot set are written by their numbers, as U+7F51.

    Args:
        text: any text.
        run: how many characters may stand together before the text may break between two, which it otherwise does after
            underscores, hyphens and the like; 0: it breaks at spaces alone.

    Returns:
        LaTeX for text mode.

    Examples:
        >>> latex_text("50 % of a_b")
        '50 \\% of a\\_b'
    """
    pieces, since, before = [], 0, ""
    for character in unicodedata.normalize("NFC", one_line(text)):
        if run and before and before != " " and character != " " and (before in BREAKS_AFTER or since >= run):
            pieces.append(r"\allowbreak{}" if before in BREAKS_AFTER else r"\penalty500{}")
            since = 0
        written = _written(character)
        pieces.append("{}-" if character == before == "-" else written)  # two are no dash
        since = 0 if character in BREAKS_AFTER else since + (run if written.startswith("U+") else 1)
        before = character
    return "".join(pieces)


def comment(text: str) -> str:
    """Text as comments of LaTeX, a line for each of its own."""
    return "".join(f"% {one_line(line)}".rstrip() + "\n" for line in text.splitlines())


def _written(character: str) -> str:
    if character in WRITTEN:
        return WRITTEN[character] or character
    parts = unicodedata.normalize("NFD", character)
    latin = parts[0].isascii() and len(parts) == 2 and parts[1] in ACCENTS and character <= "\u017f"
    return character if character.isascii() or latin else f"U+{ord(character):04X}"
