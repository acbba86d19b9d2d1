"""Short texts that twenty people each rated from -4 to 4: tweets, films, products, editorials (VADER, ICWSM 2014)."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from peft_core.asset import Source, TaskAsset, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets.datasets._rows import refuse_other_count, write_csv
from peft_core.spec import Columns, Splits

NEUTRAL = 0.5
"""A mean rating this close to 0 is neither positive nor negative."""
LABELLED = Columns(text="text", label="label")
CLEAR = "those closer than 0.5 to neutral left out, HTML entities made plain characters"


@dataclass(frozen=True)
class Snippets:
    """One file of the archive: how many snippets it holds, how many of them have a clear rating, and whether several
    are cut from one document."""

    file: str
    rated: int
    clear: int
    of_documents: bool = False


TWEETS = Snippets("tweets_GroundTruth.txt", 4_200, 3_362)
MOVIES = Snippets("movieReviewSnippets_GroundTruth.txt", 10_605, 10_043)
PRODUCTS = Snippets("amazonReviewSnippets_GroundTruth.txt", 3_708, 2_943, of_documents=True)
EDITORIALS = Snippets("nytEditorialSnippets_GroundTruth.txt", 5_190, 2_788, of_documents=True)


@dataclass(frozen=True)
class Snippet:
    """A text with the mean of its ratings. Its identity is a number or, where it is cut from a document, "12_3"."""

    identity: str
    rating: float
    text: str

    def cells(self) -> dict[str, str]:
        """What a dataset file may say of it, by column."""
        return {
            "id": self.identity,
            "document": self.identity.partition("_")[0],
            "text": self.text,
            "rating": str(self.rating),
            "label": "positive" if self.rating > 0 else "negative",
        }


class RatedSnippets(Source):
    package: ClassVar[str] = "vaderSentiment==3.3.2"
    archive: ClassVar[str] = "*.tar.gz"
    download_bytes: ClassVar[int] = 2_466_783
    disk_bytes: ClassVar[int] = 20_000_000
    at_setup: ClassVar[bool] = True
    position: ClassVar[int] = 3

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        return (
            _task("tweets", "Tweets: positive or negative", f"tweets, {CLEAR}"),
            _task("movies", "Film reviews: positive or negative", f"sentences of Rotten Tomatoes reviews, {CLEAR}"),
            _task(
                "movie_ratings",
                "Film reviews: how positive, from -4 to 4",
                "sentences of Rotten Tomatoes reviews, the neutral ones included",
                kind="regression",
                columns=Columns(text="text", label="rating"),
            ),
            _task(
                "amazon",
                "Product reviews: positive or negative",
                f"sentences of Amazon reviews, those of one review in one split, {CLEAR}",
                columns=Columns(text="text", label="label", group="document"),
            ),
            _task(
                "nyt",
                "Newspaper opinion: positive or negative",
                f"sentences of New York Times editorials, those of one article in one split, {CLEAR}",
                columns=Columns(text="text", label="label", group="document"),
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        inner = read_file(archive, "*/additional_resources/hutto_ICWSM_2014.tar.gz")
        for name, snippets in {"tweets": TWEETS, "movies": MOVIES, "amazon": PRODUCTS, "nyt": EDITORIALS}.items():
            clear = [snippet for snippet in read_snippets(inner, snippets) if abs(snippet.rating) > NEUTRAL]
            refuse_other_count(len(clear), snippets.clear, f"clear ratings in {snippets.file}", cls.package)
            document = ("document",) if snippets.of_documents else ()
            _write(folder / f"{name}.csv", ("id", *document, "text", "label"), clear)
        _write(folder / "movie_ratings.csv", ("id", "text", "rating"), read_snippets(inner, MOVIES))


def _write(path: Path, header: tuple[str, ...], snippets: list[Snippet]) -> None:
    write_csv(path, header, ([snippet.cells()[column] for column in header] for snippet in snippets))


def read_snippets(archive: bytes, snippets: Snippets) -> list[Snippet]:
    """Every snippet of a file of the archive. Near-duplicates stay: whoever reads a dataset removes and counts them."""
    found = list(_snippets(read_file(archive, f"*/{snippets.file}").decode("utf-8")))
    refuse_other_count(len(found), snippets.rated, f"snippets in {snippets.file}", RatedSnippets.package)
    return found


def _snippets(text: str) -> Iterator[Snippet]:
    for line in text.split("\n"):
        if line.strip():
            identity, rating, snippet = line.split("\t", 2)
            # Some were escaped twice.
            yield Snippet(identity, float(rating), html.unescape(html.unescape(snippet)).strip())


def _task(
    name: str,
    title: str,
    texts: str,
    *,
    kind: str = "classification",
    columns: Columns = LABELLED,
) -> TaskAsset:
    return TaskAsset(
        name=name,
        title=title,
        kind=kind,
        dataset=installed_at(f"{name}.csv"),
        columns=columns,
        splits=Splits(train=400, validation=300, test=600),
        source=f"Hutto and Gilbert, VADER, ICWSM 2014: {texts}; a rating is the mean of twenty people's at least",
        licence="MIT (vaderSentiment)",
        citation="C. J. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social"
        " Media Text, ICWSM 2014",
    )
