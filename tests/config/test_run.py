from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.config.run import ModelConfig, PartConfig, PluginConfig, Prices, RunConfig, read_run
from constitutional.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("promts: a.jsonl\n", "run.yaml:1:1: promts: unknown key; did you mean 'prompts'?"),
        (
            "models:\n  policy:\n    name: openai:gpt\n    temprature: 1\n",
            "run.yaml:4:5: models.policy.temprature: unknown key; did you mean 'temperature'?",
        ),
        ("models:\n  policy: {temperature: 1}\n", "run.yaml:2:3: models.policy.name: this key is required"),
        (
            "models:\n  policy: gpt-4o\n",
            "run.yaml:2:3: models.policy.name: 'gpt-4o' is not of the form provider:model, "
            "for example openai:gpt-4o-mini",
        ),
        (
            "models:\n  policy: {name: ':gpt'}\n",
            "run.yaml:2:12: models.policy.name: ':gpt' is not of the form provider:model, "
            "for example openai:gpt-4o-mini",
        ),
        (
            "models: {strong: openai:gpt}\njudge:\n  plugin: pairwise-logprob\n  model: srong\n",
            "run.yaml:4:3: judge.model: no model 'srong' under `models` (there are: strong)",
        ),
        (
            "critic: {plugin: llm, model: policy}\n",
            "run.yaml:1:23: critic.model: no model 'policy' under `models` (there are: none)",
        ),
        (
            "judge: {plugin: pairwise-logprob, optons: {}}\n",
            "run.yaml:1:35: judge.optons: unknown key; did you mean 'options'?",
        ),
        (
            "filters:\n  - identical\n  - {name: min-length}\n",
            "run.yaml:3:5: filters.1.plugin: this key is required\n"
            "run.yaml:3:6: filters.1.name: unknown key; known: options, plugin",
        ),
        ("filters: identical\n", "run.yaml:1:1: filters: expected a list, this is text: write [identical]"),
        ("responses: 0\n", "run.yaml:1:1: responses: input should be greater than or equal to 1"),
        ("min_margin: 1.5\n", "run.yaml:1:1: min_margin: input should be less than or equal to 1"),
        ("test_fraction: 1\n", "run.yaml:1:1: test_fraction: input should be less than 1"),
        ("seed: 1.5\n", "run.yaml:1:1: seed: input should be a valid integer, got a number with a fractional part"),
        ("models: [a]\n", "run.yaml:1:1: models: expected a mapping of keys, this is a list"),
        ("rounds: 1\nrounds: 2\n", "run.yaml:2:1: rounds: this key is here twice"),
        (
            "models:\n  policy: {name: 'openai:x', prices: {input: 1}}\n",
            "run.yaml:2:30: models.policy.prices.output: this key is required",
        ),
    ],
)
def test_an_error_says_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run(write(tmp_path, text))
    assert str(caught.value).replace(f"{tmp_path}/", "") == message


def test_all_errors_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run(write(tmp_path, "rounds: -1\nmodels:\n  policy: gpt\n  judge: {nam: a:b}\nlimit: 0\n"))
    places = [line.removeprefix(f"{tmp_path}/").split(": ")[:2] for line in str(caught.value).splitlines()]
    assert places == [
        ["run.yaml:1:1", "rounds"],
        ["run.yaml:3:3", "models.policy.name"],
        ["run.yaml:4:3", "models.judge.name"],
        ["run.yaml:4:11", "models.judge.nam"],
        ["run.yaml:5:1", "limit"],
    ]


def test_short_forms_mean_the_long_ones(tmp_path: Path) -> None:
    short = read_run(write(tmp_path, "models: {policy: 'openai:x'}\njudge: mine\nstrategy: s\nfilters: [a, b]\n"))
    long = RunConfig(
        models={"policy": ModelConfig(name="openai:x")},
        judge=PartConfig(plugin="mine"),
        strategy=PluginConfig(plugin="s"),
        filters=[PluginConfig(plugin="a"), PluginConfig(plugin="b")],
    )
    assert short == long


@pytest.mark.parametrize(
    ("models", "judge", "asked"),
    [
        ("{policy: a:b}", "", "policy"),
        ("{policy: a:b, judge: c:d}", "", "judge"),
        ("{policy: a:b, judge: c:d, strong: e:f}", "judge: {plugin: pairwise-logprob, model: strong}", "strong"),
    ],
)
def test_a_role_asks_the_model_it_names_else_that_of_its_own_name_else_the_policy(
    tmp_path: Path, models: str, judge: str, asked: str
) -> None:
    config = read_run(write(tmp_path, f"models: {models}\n{judge}\n"))
    assert config.model_for("judge") == asked
    assert (config.model_for("policy"), config.model_for("critic")) == ("policy", "policy")


def test_what_is_dumped_is_the_same_run(tmp_path: Path) -> None:
    config = RunConfig(
        prompts="a.jsonl",
        models={"policy": ModelConfig(name="vllm:x", temperature=0.5, prices=Prices(input=1, output=2), stop=["\n"])},
        judge=PartConfig(plugin="mine", options={"k": [1, None]}),
        system="Sei höflich: {{ x }}",
        max_cost=1.5,
    )
    assert read_run(write(tmp_path, config.dump())) == config
    assert "höflich" in config.dump()


def test_every_key_is_written_out_in_the_resolved_file() -> None:
    assert set(RunConfig.model_fields) == {
        line.split(":")[0] for line in RunConfig().dump().splitlines() if line[0] != " "
    }
