"""Where the collectors disagree about a digit, what trust made of it, and how often that is right."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.demo.delivery import digit_number
from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace

__all__ = ["settle_labels"]

_NUM_SHOWN = 3


def settle_labels(work: DigitsWorkspace) -> Figures:
    """Show labels that were disputed, and count those that are wrong before the merge and after it."""
    collectors = [delivery.collector for delivery in work.deliveries]
    said = [f"{collector}__label" for collector in collectors]
    rows = work.curated.to_arrow(columns=["id", "label", "label__confidence", *said]).to_pylist()
    true_labels = {number: label for delivery in work.deliveries for number, label in delivery.true_labels.items()}
    disputed = [row for row in rows if len({row[name] for name in said} - {None}) > 1]
    num_right = sum(true_labels[digit_number(row["id"])] == row["label"] for row in disputed)
    num_wrong = sum(true_labels[digit_number(row["id"])] != row["label"] for row in rows)
    num_said_wrong = sum(len(delivery.wrong_labels) for delivery in work.deliveries)
    num_said = sum(len(delivery.digits) for delivery in work.deliveries)
    work.say(f"Of {len(disputed):,} digits the sources disagree; trust settles {num_right:,} of them right:")
    shown = sorted(disputed, key=lambda row: (-sum(row[name] is not None for name in said), row["id"]))[:_NUM_SHOWN]
    for row in shown:
        work.say(f"  {_line(row, collectors)}")
    work.say(
        f"Wrong labels: {num_said_wrong:,} of {num_said:,} as delivered ({num_said_wrong / num_said:.1%}), "
        f"{num_wrong:,} of {len(rows):,} now ({num_wrong / len(rows):.1%})"
    )
    return {
        "delivered": num_said,
        "delivered_wrong": num_said_wrong,
        "disputed": len(disputed),
        "settled_right": num_right,
        "merged": len(rows),
        "merged_wrong": num_wrong,
    }


def _line(row: Mapping[str, object], collectors: list[str]) -> str:
    words = [f"{collector} {row[f'{collector}__label']}" for collector in collectors if row[f"{collector}__label"]]
    return (
        f"digit {digit_number(str(row['id'])):4}: {', '.join(words)} -> {row['label']}, {row['label__confidence']:.0%}"
    )
