"""Recipe files: what is done with which datasets, as YAML.

```yaml
recipe: image-filter
description: Sharp photos, each once
parameters: {min_side: 64, blur: 30.0, sites: [danbooru, pixiv]}
sources:
  photos: photos@raw
  tags: {ref: tags, where: score > 0.5, columns: [image_id, tag]}
stages:
  - name: verify
    operator: image.verify
    input: photos
    settings: {min_side: ${min_side}}
  - name: measure
    operators: [image.blur, image.entropy, {operator: image.phash, settings: {size: 8}}]
    where: site IS NOT NULL
  - name: sharp
    filter: blur >= ${blur}
  - foreach: {site: ${sites}}
    stages:
      - name: of_${site}
        filter: site = '${site}'
        input: sharp
      - name: distinct_${site}
        operator: exact.duplicates
        settings: {by: [phash]}
  - name: merged
    sql: SELECT * FROM a JOIN t USING (image_id) UNION ALL SELECT * FROM b JOIN t USING (image_id)
    inputs: {a: distinct_danbooru, b: distinct_pixiv, t: tags}
    key: [image_id]
  - name: enough
    check: SELECT count(*) >= 100 FROM input
    message: too few photos left
outputs:
  final: {stage: enough, dataset: photos-curated, tags: {split: train}}
```

`headrace recipe validate recipe.yaml` tells everything that is wrong at once, each with file, line, column and the
nearest name, and reads no data. The same recipe can be made in Python with `headrace.curation.Recipe` and `Stage`,
whose arguments are the keys below; both give the same hash. What counts in the hash is told in
[Recipes](../explanation/recipes.md).

**YAML.** Version 1.2 with its core schema: `no` and `2026-11-01` are text. Not read are tags (`!!python/…`), merge
keys (`<<`), several documents in one file, infinities. A key that comes twice is an error. Limits: 256 KiB, 32 lists
and mappings inside of each other, 100 uses of aliases, 50,000 values with aliases written out, 1,000 stages with
every `foreach` written out.

**Placeholders.** `${name}` is a parameter or the name of a `foreach`: its value where it stands alone, also in quotes;
text inside of a longer text. It needs no quotes inside of `{…}`; other YAML tools do need them there. Keys hold none,
nothing is computed, environment variables are not read. `$${` is a plain `${`.

**Parameters** are plain values or lists of them. `--set name=value` and `Recipe.load(…, set={…})` replace them by
values of the same type; a number may replace a number.

**Inputs.** A stage without `input` reads the stage above it, the first one the only source. The first stage of a
`foreach` reads the stage above the `foreach`, in each round; a stage below a `foreach` of several values has to say
what it reads. Stages may stand in any order that has no cycle. A check hands its input on.

**Files** of settings, commands and `requirements` are named from the folder of the recipe on.

Editors check and complete with the [JSON Schema](recipe.schema.json); for those that read the modeline of
yaml-language-server:

```yaml
# yaml-language-server: $schema=recipe.schema.json
```
"""
