"""A recipe from a file, and the same one made in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headrace.curation import Recipe, Stage
from headrace.curation.static_plan import CheckWork, CommandWork, FilterWork, OperatorWork, Sampling, SqlWork
from headrace.errors import InvalidInput
from tests.curation_operators import catalogue

TEXT = """\
recipe: image-filter
description: Sharp photos of two sites
parameters: {min_side: 64, blur: 30.0, sites: [danbooru, pixiv], unused: 3}
sources:
  photos: photos@raw
  tags: {ref: "s3://bucket/lake::tags@upto:3", where: "score > 1", columns: [image_id, tag]}
stages:
  - name: verify
    operator: image.verify
    input: photos
    columns: {image: photo}
    settings: {min_side: ${min_side}}
  - name: measure
    operators: [image.blur, image.entropy, {operator: image.phash, settings: {size: 4}}]
    where: "width >= 32"
    sample: {rows: 1000, seed: 1}
  - name: sharp
    filter: "blur >= ${blur}"
  - name: enough
    check: SELECT count(*) >= 100 FROM input
    message: too few photos left
  - foreach: {site: ${sites}}
    stages:
      - name: of_${site}
        filter: site = '${site}'
      - {name: "distinct_${site}", operator: exact.duplicates, settings: {by: [phash]}}
  - name: merged
    sql: SELECT * FROM a JOIN b USING (image_id) JOIN t USING (image_id)
    inputs: {a: distinct_danbooru, b: distinct_pixiv, t: tags}
    key: [image_id]
  - name: vendor
    command: [python, tools/crop.py, "--in={input}", "{output}"]
    environment: {python: 3.10, requirements: requirements.txt}
outputs:
  final: {stage: vendor, dataset: photos-curated, tags: {split: train, site: [a, b]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "crop.py").write_text("print(1)\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("pillow==12.0\n", encoding="utf-8")
    return tmp_path


def load(folder: Path, **parameters: object) -> Recipe:
    return Recipe.load(folder / "recipe.yaml", set=parameters, catalogue=catalogue())


def test_stages_have_their_values_and_inputs(folder: Path) -> None:
    plan = load(folder).validate()
    assert [(stage.name, stage.kind, {item.name: item.origin for item in stage.inputs}) for stage in plan.stages] == [
        ("verify", "operator", {"input": "photos"}),
        ("measure", "operators", {"input": "verify"}),
        ("sharp", "filter", {"input": "measure"}),
        ("enough", "check", {"input": "sharp"}),
        ("of_danbooru", "filter", {"input": "enough"}),
        ("distinct_danbooru", "operator", {"input": "of_danbooru"}),
        ("of_pixiv", "filter", {"input": "enough"}),
        ("distinct_pixiv", "operator", {"input": "of_pixiv"}),
        ("merged", "sql", {"a": "distinct_danbooru", "b": "distinct_pixiv", "t": "tags"}),
        ("vendor", "command", {"input": "merged"}),
    ]
    verify, measure = plan.stage("verify").work, plan.stage("measure").work
    assert isinstance(verify, OperatorWork)
    assert isinstance(measure, OperatorWork)
    (use,) = verify.uses
    assert (use.columns, dict(use.settings)) == ((("image", "photo"),), {"min_side": 64, "strict": False})
    assert [use.operator.name for use in measure.uses] == ["image.blur", "image.entropy", "image.phash"]
    assert (measure.where, measure.sample) == ("width >= 32", Sampling(1000, None, 1))
    assert plan.stage("sharp").work == FilterWork("blur >= 30.0")
    assert plan.stage("of_pixiv").work == FilterWork("site = 'pixiv'")
    assert plan.stage("enough").work == CheckWork("SELECT count(*) >= 100 FROM input", "too few photos left")
    assert isinstance(plan.stage("merged").work, SqlWork)
    assert plan.stage("vendor").work == CommandWork(
        ("python", "tools/crop.py", "--in={input}", "{output}"),
        (("tools/crop.py", folder / "tools" / "crop.py"),),
        "3.10",
        folder / "requirements.txt",
    )
    assert [(str(source.reference), source.where, source.columns) for source in plan.sources] == [
        ("photos@raw", None, None),
        ("s3://bucket/lake::tags@upto:3", "score > 1", ("image_id", "tag")),
    ]
    (output,) = plan.outputs
    assert output.tags == (("site", "a"), ("site", "b"), ("split", "train"))


def test_parameters_are_overridden(folder: Path) -> None:
    plan = load(folder, blur=12, sites=["danbooru", "pixiv", "gelbooru"]).validate()
    assert plan.stage("sharp").work == FilterWork("blur >= 12")
    assert plan.stage("of_gelbooru").work == FilterWork("site = 'gelbooru'")


def test_stages_are_found_where_they_stand(folder: Path) -> None:
    places = {stage.name: stage.place.line for stage in load(folder).stages if stage.place is not None}
    assert places["verify"] == 8
    assert places["of_danbooru"] == places["of_pixiv"] == 24


def in_python(folder: Path) -> Recipe:
    known = catalogue()
    blur = known.find_operator("image.blur")
    sites = ["danbooru", "pixiv"]
    return Recipe(
        "image-filter-too",
        sources={
            "pictures": "photos@raw",
            "tags": {"ref": "tags@upto:3", "where": "score > 1", "columns": ["image_id", "tag"]},
        },
        stages=[
            Stage(
                name="verify",
                operator="image.verify",
                input="pictures",
                columns={"image": "photo"},
                settings={"min_side": np.int64(64)},
            ),
            Stage(
                name="metrics",
                operators=[blur, "image.entropy", {"operator": "image.phash", "settings": {"size": 4}}],
                where="width >= 32",
                sample={"rows": 1000, "seed": 1},
            ),
            Stage(name="sharp", filter="blur >= 30.0"),
            Stage(name="enough", check="SELECT count(*) >= 100 FROM input", message="too few"),
            *(
                stage
                for site in sites
                for stage in (
                    Stage(name=f"of_{site}", filter=f"site = '{site}'", input="enough"),
                    Stage(name=f"distinct_{site}", operator="exact.duplicates", settings={"by": ["phash"]}),
                )
            ),
            Stage(
                name="merged",
                sql="SELECT * FROM a JOIN b USING (image_id) JOIN t USING (image_id)",
                inputs={"a": "distinct_danbooru", "b": "distinct_pixiv", "t": "tags"},
                key=["image_id"],
            ),
            Stage(
                name="crop",
                command=["python", "tools/crop.py", "--in={input}", "{output}"],
                environment={"python": "3.10", "requirements": "requirements.txt"},
            ),
        ],
        outputs={
            "final": {"stage": "crop", "dataset": "photos-curated", "tags": {"split": "train", "site": ["a", "b"]}}
        },
        folder=folder,
        catalogue=known,
    )


def test_recipe_in_python_has_the_hash_of_the_file(folder: Path) -> None:
    assert in_python(folder).hash().digest == load(folder).hash().digest


def test_decorated_function_is_a_stage() -> None:
    known = catalogue()
    recipe = Recipe(
        "r", sources={"s": "photos"}, stages=[known.find_operator("image.blur"), "exact.duplicates"], catalogue=known
    )
    assert [(stage.name, stage.inputs[0].origin) for stage in recipe.stages] == [
        ("image.blur", "s"),
        ("exact.duplicates", "image.blur"),
    ]


def test_operator_handed_in_needs_no_catalogue() -> None:
    recipe = Recipe("r", sources={"s": "photos"}, stages=[catalogue().find_operator("image.blur")])
    assert len(recipe.hash().digest) == 64


def test_texts_in_python_mean_themselves() -> None:
    recipe = Recipe("r", sources={"s": "photos"}, stages=[Stage(name="a", filter="x = '${y}'")])
    assert recipe.stages[0].work == FilterWork("x = '${y}'")


def test_mistakes_in_python_name_the_stage() -> None:
    recipe = Recipe(
        "r",
        sources={"s": "photos"},
        stages=[Stage(name="a", filter="random() > 1"), Stage(name="b", operator="image.blur", settings={"x": 1})],
        catalogue=catalogue(),
    )
    with pytest.raises(InvalidInput) as caught:
        recipe.validate()
    assert caught.value.line is None
    first, second = str(caught.value).splitlines()
    assert first.startswith("stage 'a': filter at character 1: function random()")
    assert second == "stage 'b': image.blur has no setting 'x'. It has none."
    assert repr(recipe).startswith("<Recipe with problems: stage 'a'")
    assert "random()" in recipe._repr_html_()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (lambda image: 1.0, "is no operator: hand in its name, or a function decorated with @operator"),
        (Stage(name="a", operator="image.verify", settings={"min_side": object()}), "settings: a recipe cannot hold"),
    ],
)
def test_value_that_no_recipe_could_hold_is_refused_at_once(stage: Stage, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Recipe("r", sources={"s": "photos"}, stages=[stage])


def test_two_operators_with_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"two functions of the recipe are operators with the name 'image\.blur'"):
        Recipe(
            "r",
            sources={"s": "photos"},
            stages=[catalogue().find_operator("image.blur"), catalogue().find_operator("image.blur")],
        )


def test_recipe_shows_itself(folder: Path) -> None:
    recipe = load(folder)
    assert repr(recipe) == "<Recipe image-filter: 2 sources, 10 stages, 1 outputs>"
    assert recipe.description == "Sharp photos of two sites"
    page = recipe._repr_html_()
    assert "<td>sharp</td><td>filter</td><td>measure</td><td>blur &gt;= 30.0</td>" in page


def test_graph_is_drawn(folder: Path) -> None:
    graph = load(folder).graph()
    text = graph.mermaid()
    assert text.startswith("flowchart TD\n")
    assert '    n0[("photos<br/>photos@raw")]\n' in text
    assert '"sharp<br/>blur #gt;= 30.0"' in text
    assert ' -->|"t"| ' in text
    names = [node.name for node in graph.nodes]
    assert (names.index("enough"), names.index("of_pixiv")) in {(edge.origin, edge.target) for edge in graph.edges}
    assert "flowchart" in graph._repr_html_()


def test_quotes_and_brackets_do_not_break_the_drawing() -> None:
    recipe = Recipe("r", sources={"s": "p"}, stages=[Stage(name="a", filter="x = '\"#]>`&'")])
    label = recipe.graph().mermaid().splitlines()[2].strip()
    assert label == "n1[\"a<br/>x = '#quot;#35;]#gt;#96;#amp;'\"]"


def test_package_is_light_to_import() -> None:
    code = (
        "import sys, headrace.curation; "
        "print(sorted({'pydantic', 'ruamel', 'duckdb', 'pyarrow', 'numpy', 'orjson', 'blake3'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_recipe_without_sql_opens_no_engine() -> None:
    code = (
        "import sys; from headrace.curation import Recipe, Stage; "
        "r = Recipe('r', sources={'s': 'p'}, stages=[Stage(name='a', command=['cp', '{input}', '{output}'])]); "
        "r.validate(); r.hash(); print('duckdb' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
