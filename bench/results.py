"""Results as text: Markdown, which reads as well in a terminal."""

VERDICTS = {True: "yes", False: "**no**", None: ""}


def shown(number):
    """A number with three digits that count, or as many as it has."""
    if number is None:
        return "not measured"
    if abs(number) >= 1_000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def targets(cases, figures):
    rows = []
    for case in cases:
        for target in case.targets:
            number, met = target.verdict(figures[case.name])
            unit = "" if number is None else f" {target.unit}"
            rows.append([f"`{case.name}`", target.what, target.wanted, f"{shown(number)}{unit}", VERDICTS[met]])
    return table(["case", "what", "wanted", "measured", "met"], rows)


def ahead(cases, figures):
    """Where somebody else is quicker, whether or not a target is met."""
    lines = []
    for case in cases:
        for target in case.targets:
            number, _ = target.verdict(figures[case.name])
            if target.peer and number is not None and target.behind(number):
                lines.append(f"- {target.peer} (`{case.name}`): {target.what} {target.wanted}: {shown(number)} {target.unit}")
    return "\n".join(lines) + "\n" if lines else "In none of the comparisons of this run.\n"


def case(case, figures):
    """One case: every figure, and what it is for."""
    rows = [
        [f"`{name}`", *map(shown, (found.median, min(found.values), max(found.values))), found.unit, len(found.values)]
        for name, found in figures.items()
    ]
    text = f"### {case.title} (`{case.name}`)\n\n"
    if case.note:
        text += f"{case.note}\n\n"
    return text + table(["figure", "median", "least", "most", "unit", "runs"], rows)


def page(cases, figures, facts, versions, missing, seconds):
    """All of bench/RESULTS.md."""
    parts = [
        "# Results\n\nWritten by `scripts/bench`, from one run of all cases on one machine. What is measured how stands in "
        f"[README.md](README.md). It took {seconds / 60:.0f} minutes.\n",
        table(["", ""], facts.items()),
        table(["peer", "versions"], versions.items()),
    ]
    if missing:
        parts.append("Not measured:\n\n" + table(["what", "why"], missing.items()))
    parts.append("## Targets\n\nEach number is of medians of this run.\n\n" + targets(cases, figures))
    parts.append("## Where a peer is ahead\n\n" + ahead(cases, figures))
    parts.append("## Figures\n")
    parts += [case(one, figures[one.name]) for one in cases]
    return "\n".join(parts)
