"""The losses against what they are defined as, in float64, from the loss function up to a trainer's gradients."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from constitutional.training.data import read_data
from constitutional.training.folder import StageFolder
from constitutional.training.ready import hush, prepare
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import Work
from constitutional.training.stop import Stop
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.losses import Loss, dpo, ipo
from constitutional.training.trainers.pairs import make_trainer, tokens_of
from constitutional.training.trainers.preference import PreferenceTrainer
from tests.training.planted import pair, write

P = st.floats(0.5, 1.0)
DELTA = st.floats(-30, 30)
BETA = st.sampled_from((0.01, 0.1, 0.5, 1.0))
LOSSES = ("dpo", "ipo", "hybrid")


def tensor(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


@given(DELTA, P, BETA)
def test_dpo_is_the_cross_entropy_of_the_label(delta: float, p: float, beta: float) -> None:
    def log_sigmoid(x: float) -> float:
        return min(x, 0) - math.log1p(math.exp(-abs(x)))

    wanted = -(p * log_sigmoid(beta * delta) + (1 - p) * log_sigmoid(-beta * delta))
    assert dpo(tensor(delta), tensor(p), beta).item() == pytest.approx(wanted, rel=1e-12, abs=1e-15)


@given(DELTA, P, BETA)
def test_ipo_is_the_squared_distance_to_its_target(delta: float, p: float, beta: float) -> None:
    assert ipo(tensor(delta), tensor(p), beta).item() == pytest.approx((delta - (2 * p - 1) / (2 * beta)) ** 2)


@given(DELTA, DELTA, P, st.sampled_from(LOSSES), BETA, BETA)
def test_a_pair_turned_round_has_the_same_loss_to_the_last_bit(
    delta: float, mean: float, p: float, name: str, beta: float, ipo_beta: float
) -> None:
    loss = Loss.named(name, beta=beta, ipo_beta=ipo_beta, alpha=0.7)
    for dtype in (torch.float32, torch.float64):
        d, m, q = (torch.tensor([value], dtype=dtype) for value in (delta, mean, p))
        assert loss(d, m, q).item() == loss(-d, -m, 1 - q).item()


@given(P, BETA)
def test_each_loss_is_least_where_the_policy_says_what_the_label_says(p: float, beta: float) -> None:
    """DPO where σ(βΔ) = p, IPO where Δ̄ = (2p − 1) / 2β."""
    if p < 1:
        at = tensor(math.log(p / (1 - p)) / beta).requires_grad_()
        dpo(at, tensor(p), beta).backward()
        assert at.grad is not None
        assert at.grad.item() == pytest.approx(0, abs=1e-9)
    assert ipo(tensor((2 * p - 1) / (2 * beta)), tensor(p), beta).item() == 0


# --- a trainer's loss and gradients -----------------------------------------------------------------------------------


def rows() -> list[dict[str, Any]]:
    """Different lengths and labels, and a dialogue inside an answer."""
    made = [pair(number, p) for number, p in enumerate((0.5, 0.6, 0.75, 0.9, 0.99, 1.0, 0.7))]
    more = [{"role": "user", "content": "Is that honest?"}, {"role": "assistant", "content": "Yes."}]
    made[1]["chosen"] = [*made[1]["chosen"], *more]
    made[2]["rejected"][0]["content"] += " and it jumps over the lazy dog, over and over."
    return made + [pair(number) for number in range(100, 103)]


def trainer_for(tmp_path: Path, tiny: Path, **changes: Any) -> PreferenceTrainer:
    """As a training would make it."""
    data = write(tmp_path / "pairs.jsonl", rows())
    settings = TrainSettings(
        source=str(data), model=str(tiny), out=str(tmp_path / "out"), micro_batch=8, batch=8, **changes
    )
    hush()
    ready = prepare(settings, read_data(settings))
    folder = StageFolder(tmp_path / "stage")
    folder.path.mkdir(exist_ok=True)
    work = Work("dpo", ready.settings, ready.data, folder, str(tiny), tmp_path / "cache", Stop(), print)
    bench = Bench.of(work)
    trainer = make_trainer(bench, tokens_of(bench))
    move(trainer)
    return trainer


def move(trainer: PreferenceTrainer) -> None:
    """The policy away from the reference."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


def log_ratios(model: Any, reference: Any, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(Δ, Δ̄) in float64, from plain logits."""
    ids, mask = batch["input_ids"], batch["completion_mask"][:, 1:].double()

    def answers(of: Any) -> torch.Tensor:
        logits = of(input_ids=ids, attention_mask=batch["attention_mask"]).logits[:, :-1].double()
        picked = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
        return torch.as_tensor((picked * mask).sum(1))

    with torch.no_grad():
        of_reference = answers(reference)
    ratio = answers(model) - of_reference
    chosen, rejected = ratio.chunk(2)
    chosen_tokens, rejected_tokens = mask.sum(1).chunk(2)
    return chosen - rejected, chosen / chosen_tokens - rejected / rejected_tokens


def direct(name: str, settings: dict[str, float], delta: torch.Tensor, mean: torch.Tensor, p: torch.Tensor) -> Any:
    """As the papers have them."""
    beta, ipo_beta = settings["beta"], settings["ipo_beta"]
    of_dpo = -(p * torch.log(torch.sigmoid(beta * delta)) + (1 - p) * torch.log(torch.sigmoid(-beta * delta)))
    of_ipo = (mean - (2 * p - 1) / (2 * ipo_beta)) ** 2
    alpha = {"dpo": 1.0, "ipo": 0.0, "hybrid": 0.6}[name]
    return alpha * of_dpo + (1 - alpha) * of_ipo


@pytest.mark.parametrize("labels", ["soft", "hard", "margin-weighted"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_trainers_loss_and_gradients_are_the_formulas(tmp_path: Path, tiny: Path, loss: str, labels: str) -> None:
    from transformers import AutoModelForCausalLM

    betas = {"beta": 0.3, "ipo_beta": 0.7}
    trainer = trainer_for(tmp_path, tiny, loss=loss, labels=labels, alpha=0.6, **betas)
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    found = trainer.compute_loss(trainer.model, batch)
    found.backward()

    exact = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float64)
    reference = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float64)
    exact.load_state_dict({name: value.double() for name, value in trainer.model.state_dict().items()})
    delta, mean = log_ratios(exact, reference, batch)
    p = batch["p"].double()
    if labels == "soft":
        assert len(set(p.tolist())) > 3
    else:
        assert set(p.tolist()) == {1.0}
    assert (len(set(batch["weight"].tolist())) > 3) == (labels == "margin-weighted")
    wanted = (direct(loss, betas, delta, mean, p) * batch["weight"].double()).mean()
    wanted.backward()

    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    pairs = list(zip(trainer.model.parameters(), exact.parameters(), strict=True))
    off = sum(((a.grad.double() - b.grad) ** 2).sum().item() for a, b in pairs if a.grad is not None)
    size = sum((b.grad**2).sum().item() for a, b in pairs if a.grad is not None)
    assert size > 0
    assert math.sqrt(off / size) < 1e-5


@pytest.mark.parametrize("loss", LOSSES)
def test_the_reference_of_an_adapter_is_the_model_without_it(tmp_path: Path, tiny: Path, loss: str) -> None:
    from transformers import AutoModelForCausalLM

    betas = {"beta": 0.3, "ipo_beta": 0.7}
    trainer = trainer_for(tmp_path, tiny, loss=loss, lora=4, alpha=0.6, **betas)
    assert {name.split(".")[-3] for name, p in trainer.model.named_parameters() if p.requires_grad} == {
        "lora_A",
        "lora_B",
    }
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    found = trainer.compute_loss(trainer.model, batch).item()
    policy = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float64)
    policy.load_state_dict(
        {n: v.double() for n, v in copy.deepcopy(trainer.model).merge_and_unload().state_dict().items()}
    )
    reference = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float64)
    delta, mean = log_ratios(policy, reference, batch)
    assert delta.abs().max() > 0.1
    assert found == pytest.approx(direct(loss, betas, delta, mean, batch["p"].double()).mean().item(), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_certain_labels_are_trls_own_losses(tmp_path: Path, tiny: Path, loss: str) -> None:
    """The same rows, tokenized by TRL and by us, in one batch each."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    ours = trainer_for(tmp_path, tiny, loss=loss, labels="hard", beta=0.3, alpha=0.6)
    kinds, weights = {
        "dpo": (["sigmoid"], [1.0]),
        "ipo": (["ipo"], [1.0]),
        "hybrid": (["sigmoid", "ipo"], [0.6, 0.4]),
    }[loss]
    config = DPOConfig(
        output_dir=str(tmp_path / "trl"), loss_type=kinds, loss_weights=weights, beta=0.3, bf16=False, use_cpu=True,
        gradient_checkpointing=False, per_device_train_batch_size=8, report_to=[], max_length=None,
    )  # fmt: skip
    plain = [row for row in rows() if len(row["chosen"]) == 1 and row["p_chosen"] > 0.5]
    theirs = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_list([{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in plain]),
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )
    theirs.model.load_state_dict(ours.model.state_dict())
    known = {tuple(row["prompt_ids"]): row for row in [*ours.train_dataset, *ours.eval_dataset]}
    tokens = [known[tuple(row["prompt_ids"])] for row in theirs.train_dataset]
    assert [row["chosen_ids"] for row in tokens] == [row["chosen_ids"] for row in theirs.train_dataset]
    for trainer in (ours, theirs):
        trainer.model.train()
    batch = theirs.data_collator([theirs.train_dataset[at] for at in range(len(plain))])
    wanted = theirs.compute_loss(theirs.model, batch).item()
    found = ours.compute_loss(ours.model, ours.data_collator(tokens)).item()
    assert found == pytest.approx(wanted, rel=1e-5)


def test_what_a_user_says_inside_an_answer_is_no_target(tmp_path: Path, tiny: Path) -> None:
    trainer = trainer_for(tmp_path, tiny, held_out=0.01)
    tokenizer = trainer.processing_class
    (row,) = [row for row in [*trainer.train_dataset, *trainer.eval_dataset] if 0 in row["chosen_mask"]]
    batch = trainer.data_collator([row])
    learned = tokenizer.decode(batch["input_ids"][0][batch["completion_mask"][0] == 1])
    assert "Yes.<|im_end|>" in learned
    assert "is kind" in learned
    assert "honest" not in learned
    assert "honest" in tokenizer.decode(batch["input_ids"][0])


def test_the_reference_is_frozen_and_stays_what_it_was(tmp_path: Path, tiny: Path) -> None:
    trainer = trainer_for(tmp_path, tiny, reference="live", lr=1e-2, max_steps=2)
    assert trainer.ref_model is not None
    before = [parameter.clone() for parameter in trainer.ref_model.parameters()]
    trainer.train()
    assert not any(parameter.requires_grad for parameter in trainer.ref_model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.ref_model.parameters(), strict=True))
    trainer.ref_model.train()
    with pytest.raises(RuntimeError, match="not frozen and in eval mode"):
        trainer.check_reference()
    with pytest.raises(RuntimeError, match="not in eval mode"):
        trainer.compute_loss(trainer.model, next(iter(trainer.get_train_dataloader())))


def test_a_live_reference_and_a_precomputed_one_give_one_loss(tmp_path: Path, tiny: Path) -> None:
    found = []
    for kind in ("live", "precomputed"):
        trainer = trainer_for(tmp_path, tiny, reference=kind)
        trainer.model.train()
        found.append(trainer.compute_loss(trainer.model, next(iter(trainer.get_train_dataloader()))).item())
    assert found[0] == pytest.approx(found[1], rel=1e-5)
