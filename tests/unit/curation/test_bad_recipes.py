"""Each mistake is told with its line, its column and what was meant, before any data is read."""

from __future__ import annotations

import pickle
from pathlib import Path
from textwrap import dedent

import pytest

from headrace.curation.recipe import Recipe
from headrace.curation.recipe_file.problems import InvalidRecipe
from headrace.errors import InvalidInput, NotFound
from tests.curation_operators import catalogue

HEAD = "recipe: r\nsources: {photos: photos@raw}\nstages:\n"  # the first stage is in line 4


def problems_of(text: str, folder: Path, **parameters: object) -> list[tuple[int, int, str]]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.load(path, set=parameters, catalogue=catalogue())
    error = caught.value
    first = error.problems[0]
    if first.place is not None:
        assert (error.file, error.line, error.column) == (str(path), first.place.line, first.place.column)
        assert str(error).startswith(f"{path}:{error.line}:{error.column}: ")
    return [
        (problem.place.line, problem.place.column, problem.message) if problem.place else (0, 0, problem.message)
        for problem in error.problems
    ]


# Text of the stages, then line, column and part of the message.
STAGES = {
    "unknown key": (
        "- name: a\n  operator: image.blur\n  setings: {}\n",
        6,
        3,
        "no key 'setings'. Did you mean 'settings'",
    ),
    "key of another kind": ("- {name: a, filter: x > 1, settings: {}}\n", 4, 28, "stage 'a' has no key 'settings'"),
    "unknown kind": ("- name: a\n  fliter: x > 1\n", 5, 3, "no key 'fliter'. Did you mean 'filter'?"),
    "no kind": ("- name: a\n", 4, 3, "does not say what it does: it needs one of operator, operators, filter"),
    "two kinds": ("- name: a\n  filter: x > 1\n  sql: SELECT 1\n", 6, 3, "both 'filter' and 'sql'"),
    "no name": ("- filter: x > 1\n", 4, 3, "a stage needs the key 'name'"),
    "no mapping": ("- image.blur\n", 4, 3, "expected a stage, a mapping with a name, not 'image.blur'"),
    "bad name": ("- name: 1st\n  filter: x > 1\n", 4, 9, "a stage cannot be called '1st'"),
    "name with a slash": ("- {name: a/b, filter: x > 1}\n", 4, 10, "a stage cannot be called 'a/b'"),
    "name of a number": ("- {name: 7, filter: x > 1}\n", 4, 10, "name: expected text, not 7"),
    "name twice": ("- {name: a, filter: x > 1}\n- {name: a, filter: x > 2}\n", 5, 10, "'a' is taken by another stage"),
    "name of a source": ("- {name: photos, filter: x > 1}\n", 4, 10, "'photos' is taken by another stage or source"),
    "unknown operator": (
        "- {name: a, operator: image.blurr}\n",
        4,
        23,
        "no operator 'image.blurr'. Did you mean 'image.blur'?",
    ),
    "unknown setting": (
        "- name: a\n  operator: image.verify\n  settings:\n    min_sid: 3\n",
        7,
        5,
        "image.verify has no setting 'min_sid'. Did you mean 'min_side'?",
    ),
    "setting of no operator": (
        "- {name: a, operator: image.blur, settings: {x: 1}}\n",
        4,
        46,
        "no setting 'x'. It has none.",
    ),
    "setting of another type": (
        "- name: a\n  operator: image.verify\n  settings: {min_side: wide}\n",
        6,
        24,
        "setting min_side of image.verify: Input should be a valid integer",
    ),
    "float for a whole number": (
        "- {name: a, operator: image.verify, settings: {min_side: 2.5}}\n",
        4,
        58,
        "valid integer",
    ),
    "text for a switch": ("- {name: a, operator: image.verify, settings: {strict: yes}}\n", 4, 56, "valid boolean"),
    "missing setting": ("- {name: a, operator: image.tag}\n", 4, 23, "image.tag needs the setting model"),
    "model that is not there": (
        "- {name: a, operator: image.tag, settings: {model: m.onnx}}\n",
        4,
        52,
        "there is no file",
    ),
    "unknown input of an operator": (
        "- {name: a, operator: image.blur, columns: {img: x}}\n",
        4,
        45,
        "image.blur has no input 'img'. Did you mean 'image'?",
    ),
    "bad column": (
        "- {name: a, operator: image.blur, columns: {image: _x}}\n",
        4,
        52,
        "a column cannot be called '_x'",
    ),
    "columns of a table operator": (
        "- {name: a, operator: exact.duplicates, columns: {table: x}}\n",
        4,
        51,
        "It reads whole tables",
    ),
    "table operator among others": (
        "- name: a\n  operators: [image.blur, exact.duplicates]\n",
        5,
        27,
        "cannot share a stage",
    ),
    "subset of a table operator": (
        "- name: a\n  operator: exact.duplicates\n  where: x > 1\n",
        6,
        3,
        "'where' has no meaning",
    ),
    "same column twice": ("- {name: a, operators: [image.blur, image.blur]}\n", 4, 37, "both give the column 'blur'"),
    "no operators": ("- {name: a, operators: []}\n", 4, 24, "have at least 1 item"),
    "setting inside of operators": (
        "- name: a\n  operators:\n    - image.blur\n    - {operator: image.phash, settings: {siz: 4}}\n",
        7,
        42,
        "no setting 'siz'. Did you mean 'size'?",
    ),
    "unknown key inside of operators": (
        "- name: a\n  operators:\n    - {operator: image.blur, colums: {}}\n",
        6,
        30,
        "no key 'colums'. Did you mean 'columns'?",
    ),
    "sample without a size": (
        "- {name: a, operator: image.blur, sample: {seed: 1}}\n",
        4,
        43,
        "exactly one of 'rows' and 'share'",
    ),
    "sample with two sizes": (
        "- {name: a, operator: image.blur, sample: {rows: 1, share: 0.5}}\n",
        4,
        43,
        "exactly one of",
    ),
    "share above 1": ("- {name: a, operator: image.blur, sample: {share: 2}}\n", 4, 51, "less than or equal to 1"),
    "unknown key of sample": (
        "- {name: a, operator: image.blur, sample: {row: 5}}\n",
        4,
        44,
        "no key 'row'. Did you mean 'rows'?",
    ),
    "unknown input": (
        "- {name: a, filter: x > 1}\n- {name: b, filter: x > 2, input: aa}\n",
        5,
        35,
        "reads 'aa', which is no stage and no source. Did you mean 'a'?",
    ),
    "input of itself": ("- {name: a, input: a, filter: x > 1}\n", 4, 20, "in a circle: a <- a"),
    "circle": (
        "- {name: a, filter: x > 1, input: c}\n- {name: b, filter: x > 1}\n- {name: c, filter: x > 1}\n",
        4,
        35,
        "stages read each other in a circle: a <- c <- b <- a",
    ),
    "filter that is no SQL": ("- {name: a, filter: 'x >'}\n", 4, 21, "stage 'a': filter"),
    "filter of two": ("- {name: a, filter: 'x > 1; y'}\n", 4, 21, "one expression only"),
    "filter with a subquery": ("- {name: a, filter: x IN (SELECT 1)}\n", 4, 21, "subqueries"),
    "filter with a forbidden function": ("- {name: a, filter: random() < 0.5}\n", 4, 21, "function random()"),
    "filter that reads a file": (
        "- {name: a, filter: \"read_text('/etc/passwd') = 'x'\"}\n",
        4,
        21,
        "function read_text()",
    ),
    "where of a stage": ("- {name: a, operator: image.blur, where: 'count(*) > 1'}\n", 4, 42, "stage 'a': where"),
    "sql without key": ("- {name: a, sql: SELECT * FROM input}\n", 4, 3, "stage 'a' needs the key 'key'"),
    "sql of an unknown table": (
        "- {name: a, sql: SELECT * FROM phtos, key: [x], inputs: {photos: photos}}\n",
        4,
        18,
        "no table \"phtos\". Did you mean 'photos'?",
    ),
    "sql that writes": ("- {name: a, sql: DROP TABLE input, key: [x]}\n", 4, 18, "only one SELECT"),
    "sql from a file": ("- {name: a, sql: 'SELECT * FROM ''x.csv''', key: [x]}\n", 4, 18, "there is no table"),
    "input that the sql leaves out": (
        "- name: a\n  sql: SELECT * FROM a\n  key: [x]\n  inputs: {a: photos, b: photos}\n",
        7,
        26,
        "sql does not read the table 'b'",
    ),
    "input and inputs": (
        "- {name: a, sql: SELECT * FROM b, key: [x], input: photos, inputs: {b: photos}}\n",
        4,
        45,
        "both 'input' and 'inputs'",
    ),
    "key twice": ("- {name: a, sql: SELECT * FROM input, key: [x, x]}\n", 4, 48, "the key names 'x' twice"),
    "check without a table": (
        "- {name: a, check: SELECT 1 FROM inputs}\n",
        4,
        20,
        "no table \"inputs\". Did you mean 'input'?",
    ),
    "stage after a check of two tables": (
        "- {name: a, check: 'SELECT 1 FROM b, c', inputs: {b: photos, c: photos}}\n- {name: d, filter: x}\n",
        5,
        10,
        "reads the check 'a', which has several inputs and so none to hand on",
    ),
    "text with a comma": (
        "- {name: a, filter: least(x, y) > 1}\n",
        4,
        30,
        "no key 'y) > 1'. (A comma ends a text inside of {...}; quotes keep it whole.)",
    ),
    "command as a text": ("- {name: a, command: 'rm -rf /'}\n", 4, 22, "command: expected a list, not 'rm -rf /'"),
    "command without folders": ("- {name: a, command: [cp, a]}\n", 4, 22, "the command has no {input}"),
    "command without its script": (
        "- {name: a, command: [python, x.py, '{input}', '{output}']}\n",
        4,
        31,
        "there is no file 'x.py'",
    ),
    "command elsewhere": (
        "- {name: a, command: [/bin/cp, '{input}', '{output}']}\n",
        4,
        23,
        "'/bin/cp' is an absolute path",
    ),
    "command with a number": ("- {name: a, command: [cp, 3, '{input}', '{output}']}\n", 4, 27, "expected text, not 3"),
    "environment without Python": (
        "- {name: a, command: [cp, '{input}', '{output}'], environment: {}}\n",
        4,
        64,
        "needs the key 'python'",
    ),
    "requirements that are not there": (
        "- name: a\n  command: [cp, '{input}', '{output}']\n  environment: {python: 3.11, requirements: r.txt}\n",
        6,
        45,
        "there is no file 'r.txt'",
    ),
    "placeholder without parameter": (
        "- {name: a, filter: 'x > ${low}'}\n",
        4,
        21,
        "there is no parameter 'low' (environment variables are not read)",
    ),
    "placeholder that computes": ("- {name: a, filter: 'x > ${1 + 1}'}\n", 4, 21, "nothing is computed in recipes"),
    "placeholder in a key": (
        "- {name: a, operator: image.verify, settings: {'${x}': 1}}\n",
        4,
        48,
        "holds a placeholder; only values may",
    ),
    "placeholder that is not closed": ("- {name: a, filter: \"x > '${low'\"}\n", 4, 21, "is not closed"),
    "foreach without a list": (
        "- foreach: {s: 3}\n  stages: [{name: a, filter: x > 1}]\n",
        4,
        16,
        "foreach: expected a list of values, not 3",
    ),
    "foreach over nothing": ("- foreach: {s: []}\n  stages: [{name: a, filter: x > 1}]\n", 4, 16, "the list is empty"),
    "foreach over two names": (
        "- foreach: {s: [1], t: [2]}\n  stages: [{name: a, filter: x > 1}]\n",
        4,
        12,
        "put a foreach inside of the other",
    ),
    "foreach without stages": ("- foreach: {s: [1]}\n", 4, 3, "needs the key 'stages'"),
    "foreach with a name": (
        "- foreach: {s: [1]}\n  name: x\n  stages: [{name: a, filter: x > 1}]\n",
        5,
        3,
        "foreach has no key 'name'",
    ),
    "foreach over a value twice": (
        "- foreach: {s: [1, 2, 1]}\n  stages: [{name: 'a${s}', filter: x > 1}]\n",
        4,
        23,
        "foreach: 1 is twice in the list",
    ),
    "foreach without the placeholder": (
        "- foreach: {s: [1, 2]}\n  stages: [{name: a, filter: x > 1}]\n",
        5,
        19,
        "in a foreach the name must hold the placeholder",
    ),
    "foreach in a foreach of the same name": (
        "- foreach: {s: [1, 2]}\n  stages:\n    - foreach: {s: [3]}\n      stages: [{name: 'a${s}', filter: x > 1}]\n",
        6,
        17,
        "'s' is a parameter or the name of a foreach around",
    ),
    "stage after a foreach": (
        "- foreach: {s: [1, 2]}\n  stages: [{name: 'a${s}', filter: x > 1}]\n- {name: b, filter: x > 1}\n",
        6,
        10,
        "comes after a foreach that ends in several stages",
    ),
    "text that is no YAML": ("- {name: a, filter: x > 1\n", 5, 1, "not YAML: expected ',' or '}'"),
    "tab": ("- name: a\n\tfilter: x\n", 5, 1, "not YAML"),
    "key twice in a stage": (
        "- name: a\n  filter: x > 1\n  filter: y > 1\n",
        6,
        3,
        "the key 'filter' is here twice; the first is in line 5",
    ),
    "tag": ("- {name: a, filter: !!python/object:os.system x}\n", 4, 21, "tags such as"),
    "merge key": ("- {<<: {name: a}, filter: x > 1}\n", 4, 4, "merge keys (<<) are not read"),
    "unknown alias": ("- {name: a, filter: *low}\n", 4, 21, "*low refers to no &low above"),
    "alias of itself": ("- &a {name: a, columns: *a}\n", 4, 25, "*a is inside of what it refers to"),
    "key that is no text": ("- {[a]: b}\n", 4, 4, "a key must be text"),
    "infinity": (
        "- {name: a, operator: image.phash, settings: {size: .inf}}\n",
        4,
        53,
        ".inf is no number to compute with",
    ),
    "endless number": (
        "- {name: a, operator: image.phash, settings: {size: 123456789012345678901234}}\n",
        4,
        53,
        "more than 64 bits",
    ),
}


@pytest.mark.parametrize(("stages", "line", "column", "message"), STAGES.values(), ids=STAGES)
def test_mistake_in_a_stage_is_told_with_its_place(
    tmp_path: Path, stages: str, line: int, column: int, message: str
) -> None:
    found = problems_of(HEAD + stages, tmp_path)
    assert [(item[:2], message in item[2]) for item in found] == [((line, column), True)], found


STAGE = "stages: [{name: a, filter: x > 1}]\n"
RECIPES = {
    "empty": ("", 1, 1, "expected a recipe, a mapping that starts with 'recipe: NAME', not nothing"),
    "a list": ("- a\n", 1, 1, "not a list"),
    "unknown key": (
        f"recipe: r\nsource: {{s: b}}\nsources: {{s: b}}\n{STAGE}",
        2,
        1,
        "no key 'source'. Did you mean 'sources'?",
    ),
    "no name": (f"sources: {{s: b}}\n{STAGE}", 1, 1, "needs the key 'recipe'"),
    "bad name": (f"recipe: a b\nsources: {{s: b}}\n{STAGE}", 1, 9, "a recipe cannot be called 'a b'"),
    "no sources": (f"recipe: r\n{STAGE}", 1, 1, "needs the key 'sources'"),
    "no stages": ("recipe: r\nsources: {s: b}\n", 1, 1, "needs the key 'stages'"),
    "empty stages": ("recipe: r\nsources: {s: b}\nstages: []\n", 3, 9, "expected a list of stages"),
    "bad reference": (f"recipe: r\nsources: {{s: b@}}\n{STAGE}", 2, 14, "has nothing after '@'"),
    "bad selector": (f"recipe: r\nsources:\n  s:\n    ref: b@uptoo:3\n{STAGE}", 4, 10, "unknown selector 'uptoo:'"),
    "unknown key of a source": (
        f"recipe: r\nsources: {{s: {{ref: b, were: x > 1}}}}\n{STAGE}",
        2,
        23,
        "no key 'were'. Did you mean 'where'?",
    ),
    "where of a source": (f"recipe: r\nsources: {{s: {{ref: b, where: x >}}}}\n{STAGE}", 2, 30, "source 's': where"),
    "two sources and no input": (
        f"recipe: r\nsources: {{a1: b, b1: c}}\n{STAGE}",
        3,
        17,
        "there are several sources; say which one",
    ),
    "parameter with a dash": (
        f"recipe: r\nparameters: {{a-b: 1}}\nsources: {{s: b}}\n{STAGE}",
        2,
        14,
        "a parameter cannot be called 'a-b'",
    ),
    "parameter that refers": (
        f"recipe: r\nparameters: {{a: 1, b: '${{a}}'}}\nsources: {{s: b}}\n{STAGE}",
        2,
        23,
        "expected a value or a list of values",
    ),
    "parameters in a file that is not there": (
        f"recipe: r\nparameters: p.yaml\nsources: {{s: b}}\n{STAGE}",
        2,
        13,
        "the parameters cannot be read",
    ),
    "output of no stage": (
        f"recipe: r\nsources: {{s: b}}\n{STAGE}outputs: {{o: {{stage: b, dataset: d}}}}\n",
        4,
        22,
        "there is no stage 'b'.",
    ),
    "output without dataset": (
        f"recipe: r\nsources: {{s: b}}\n{STAGE}outputs: {{o: {{stage: a}}}}\n",
        4,
        14,
        "needs the key 'dataset'",
    ),
    "output to a bad name": (
        f"recipe: r\nsources: {{s: b}}\n{STAGE}outputs: {{o: {{stage: a, dataset: 1d}}}}\n",
        4,
        34,
        "'1d' cannot be a dataset name",
    ),
    "tag of a number": (
        f"recipe: r\nsources: {{s: b}}\n{STAGE}outputs: {{o: {{stage: a, dataset: d, tags: {{x: 1}}}}}}\n",
        4,
        47,
        "expected text, not 1",
    ),
    "two documents": (f"recipe: r\nsources: {{s: b}}\n{STAGE}---\na: b\n", 4, 1, "a second document"),
}


@pytest.mark.parametrize(("text", "line", "column", "message"), RECIPES.values(), ids=RECIPES)
def test_mistake_in_a_recipe_is_told_with_its_place(
    tmp_path: Path, text: str, line: int, column: int, message: str
) -> None:
    found = problems_of(text, tmp_path)
    assert [(item[:2], message in item[2]) for item in found] == [((line, column), True)], found


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
    recipe: r
    sources: {photos: photos@}
    stages:
      - {name: a, operator: image.blurr}
      - {name: b, filter: random() > 1}
      - {name: c, filtre: x > 1}
      - {name: d, input: c, filter: x > 1}
      - {name: e, input: nothing, filter: x > 1}
    outputs: {o: {stage: z, dataset: d}}
    """
    found = problems_of(dedent(text), tmp_path)
    assert [item[0] for item in found] == [2, 4, 5, 6, 8, 9]
    assert "d" not in {item[2] for item in found}  # that c could not be read is no fault of d


def test_every_missing_key_is_told(tmp_path: Path) -> None:
    assert [message for _, _, message in problems_of("description: d\n", tmp_path)] == [
        "a recipe needs the key 'sources', the datasets that it reads",
        "a recipe needs the key 'stages', a list of what is done",
        "a recipe needs the key 'recipe', its name",
    ]
    stages = HEAD + "- foreach: {s: [a, b]}\n  stages: [{sql: SELECT 1}]\n"
    assert [message for _, _, message in problems_of(stages, tmp_path)] == [
        "a stage needs the key 'name'",
        "a stage needs the key 'key'",
    ]


def test_message_holds_the_first_problems_and_counts_the_rest(tmp_path: Path) -> None:
    text = HEAD + "".join(f"- {{name: s{idx}, filter: random() > 1}}\n" for idx in range(30))
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.load(path, catalogue=catalogue())
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 10 more"
    assert len(caught.value.problems) == 30


def test_error_survives_pickling(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("a: 1\n", encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.load(tmp_path / "recipe.yaml")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_text_in_a_foreach_is_told_once(tmp_path: Path) -> None:
    text = HEAD + "- foreach: {s: [a, b, c]}\n  stages: [{name: 'x${s}', filter: randm() > 1}]\n"
    assert len(problems_of(text, tmp_path)) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lo": 3}, "no parameter 'lo' to set. Did you mean 'low'?"),
        ({"low": "a"}, "'low' cannot be 'a': the recipe has 1 there"),
        ({"low": True}, "'low' cannot be true"),
        ({"low": [1]}, "'low' cannot be a list"),
        ({"low": object}, "expected a value that YAML has"),
        ({"names": "a"}, "'names' cannot be 'a': the recipe has a list there"),
        ({"low": "${x}"}, "'low' cannot be"),
    ],
)
def test_parameter_that_does_not_fit_is_refused(tmp_path: Path, parameters: dict[str, object], message: str) -> None:
    text = f"recipe: r\nparameters: {{low: 1, names: [a]}}\nsources: {{s: b}}\n{STAGE}"
    ((line, _, told),) = problems_of(text, tmp_path, **parameters)
    assert (line, message in told) == (0, True), told


def test_mistake_in_a_file_of_parameters_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("low: 1\nlow: 2\n", encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(f"recipe: r\nparameters: p.yaml\nsources: {{s: b}}\n{STAGE}", encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.load(path)
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(tmp_path / "p.yaml"), 2, 1)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        Recipe.load(tmp_path / "none.yaml")
    with pytest.raises(NotFound, match="there is no file"):
        Recipe.load(tmp_path)


# ------------------------------------------------------------------------------------------------------------ limits


def test_billion_laughs_stay_small(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{idx}: &a{idx} [{', '.join([f'*a{idx - 1}'] * 9)}]" for idx in range(1, 10)]
    ((line, column, message),) = problems_of("\n".join(lines), tmp_path)
    assert (line, column) == (5, 40)
    assert "more than 50,000 values" in message


def test_many_aliases_are_refused(tmp_path: Path) -> None:
    text = "a: &a 1\nb: [" + ", ".join(["*a"] * 101) + "]\n"
    ((line, _, message),) = problems_of(text, tmp_path)
    assert (line, "more than 100 aliases" in message) == (2, True)


def test_depth_is_bounded(tmp_path: Path) -> None:
    found = problems_of("a: " + "[" * 20_000, tmp_path)
    assert found == [(1, 35, "more than 32 lists and mappings inside of each other")]


def test_size_is_bounded(tmp_path: Path) -> None:
    ((line, column, message),) = problems_of("#" * 300_000, tmp_path)
    assert (line, column, "more than 262,144 bytes" in message) == (1, 1, True)


def test_number_of_stages_is_bounded(tmp_path: Path) -> None:
    hundred = ", ".join(map(str, range(100)))
    text = (
        f"- foreach: {{a: [{hundred}]}}\n  stages:\n    - foreach: {{b: [{hundred}]}}\n      stages:\n"
        f"        - foreach: {{c: [{hundred}]}}\n          stages: [{{name: 's${{a}}_${{b}}_${{c}}', filter: x > 1}}]\n"
    )
    ((line, _, message),) = problems_of(HEAD + text, tmp_path)
    assert (line, message) == (6, "more than 1,000 stages, those of foreach written out")


def test_rounds_without_stages_are_bounded(tmp_path: Path) -> None:
    hundred = ", ".join(map(str, range(100)))
    indent = ""
    text = ""
    for name in "abcdef":
        text += f"{indent}- foreach: {{{name}: [{hundred}]}}\n{indent}  stages:\n"
        indent += "    "
    text += f"{indent}- foreach: {{z: []}}\n{indent}  stages: [{{name: x, filter: x > 1}}]\n"
    found = problems_of(HEAD + text, tmp_path)
    assert "more than 1,000 stages" in " ".join(message for _, _, message in found)


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"recipe: r\nsources: {\xff: 1}\n")
    with pytest.raises(InvalidInput) as caught:
        Recipe.load(tmp_path / "recipe.yaml")
    assert (caught.value.line, caught.value.column) == (2, 11)
    assert "byte 0xff is not UTF-8" in caught.value.message


def test_control_character(tmp_path: Path) -> None:
    ((line, column, message),) = problems_of("recipe: r\nsources: {a: \x01}\n", tmp_path)
    assert (line, column, "U+0001" in message) == (2, 14, True)
