"""What ships with the toolkit, registered through the same hooks as a stranger's plugin."""

from __future__ import annotations

from constitutional.builtin.critic import LLMCritic, LLMCriticOptions
from constitutional.builtin.filters.boilerplate import Boilerplate, BoilerplateOptions
from constitutional.builtin.filters.confidence import (
    ConsistentOrders,
    ConsistentOrdersOptions,
    MinConfidence,
    MinConfidenceOptions,
    ScoresAgree,
)
from constitutional.builtin.filters.contamination import Contamination, ContaminationOptions
from constitutional.builtin.filters.duplicates import (
    DuplicateAnswers,
    DuplicateAnswersOptions,
    DuplicatePrompts,
    DuplicatePromptsOptions,
)
from constitutional.builtin.filters.identical import Identical, NearIdentical, NearIdenticalOptions
from constitutional.builtin.filters.language import Language, LanguageOptions
from constitutional.builtin.filters.length import (
    LengthMatched,
    LengthMatchedOptions,
    LengthRatio,
    LengthRatioOptions,
    MinLength,
    MinLengthOptions,
)
from constitutional.builtin.filters.personal import PersonalData, PersonalDataOptions
from constitutional.builtin.filters.refusals import Refusals, RefusalsOptions
from constitutional.builtin.filters.truncated import Truncated, TruncatedOptions
from constitutional.builtin.judges.pairwise_cot import PairwiseCotJudge, PairwiseCotOptions
from constitutional.builtin.judges.pairwise_logprob import PairwiseLogprobJudge, PairwiseLogprobOptions
from constitutional.builtin.judges.panel import PanelJudge, PanelJudgeOptions
from constitutional.builtin.judges.reward_model import RewardModelJudge
from constitutional.builtin.judges.rubric import RubricJudge, RubricOptions
from constitutional.builtin.judges.rules import RulesJudge, RulesJudgeOptions
from constitutional.builtin.pairings.candidates import AmongOptions
from constitutional.builtin.pairings.exhaustive import AllPairsOptions, MaxMarginOptions, all_pairs, max_margin
from constitutional.builtin.pairings.pareto import Pareto
from constitutional.builtin.pairings.revised import RevisedVsInitial
from constitutional.builtin.pairings.scored import MuMinusOptions, best_vs_random, best_vs_worst, mu_minus_2_sigma
from constitutional.builtin.pairings.tournament import Tournament, TournamentOptions
from constitutional.builtin.panel import PanelOptions
from constitutional.builtin.reviser import LLMReviser, LLMReviserOptions, RefuserOptions
from constitutional.builtin.reward_model import RewardOptions
from constitutional.builtin.rules import Rules
from constitutional.builtin.scorers.panel import PanelScorer
from constitutional.builtin.scorers.pointwise import PointwiseOptions, PointwiseScorer
from constitutional.builtin.scorers.reward_model import RewardModelScorer
from constitutional.builtin.scorers.rules import RulesScorer
from constitutional.hookspecs import hookimpl
from constitutional.models.anthropic import AnthropicModel, AnthropicOptions
from constitutional.models.openai import OpenAIModel, OpenAIOptions
from constitutional.models.scripted import ScriptedModel, ScriptedOptions
from constitutional.models.transformers import TransformersModel, TransformersOptions
from constitutional.models.vllm import VLLMModel, VLLMOptions
from constitutional.plugins import Register
from constitutional.pocket.provider import pocket_model
from constitutional.pocket.truth import (
    CorrectnessScorer,
    OracleCritic,
    OracleJudge,
    OracleJudgeOptions,
    OracleScorer,
)


@hookimpl
def register_models(register: Register) -> None:
    register("anthropic", AnthropicModel, config=AnthropicOptions)
    register("openai", OpenAIModel, config=OpenAIOptions)
    register("pocket", pocket_model)
    register("scripted", ScriptedModel, config=ScriptedOptions)
    register("transformers", TransformersModel.create, config=TransformersOptions)
    register("vllm", VLLMModel.create, config=VLLMOptions)


@hookimpl
def register_critics(register: Register) -> None:
    register("llm", LLMCritic, config=LLMCriticOptions)
    register("pocket-oracle", OracleCritic)


@hookimpl
def register_revisers(register: Register) -> None:
    register("llm", LLMReviser, config=LLMReviserOptions)
    register("refuse", LLMReviser, config=RefuserOptions)


@hookimpl
def register_judges(register: Register) -> None:
    register("pairwise-logprob", PairwiseLogprobJudge, config=PairwiseLogprobOptions)
    register("pairwise-cot", PairwiseCotJudge, config=PairwiseCotOptions)
    register("rubric", RubricJudge, config=RubricOptions)
    register("panel", PanelJudge, config=PanelJudgeOptions)
    register("reward-model", RewardModelJudge, config=RewardOptions)
    register("rules", RulesJudge, config=RulesJudgeOptions)
    register("pocket-oracle", OracleJudge, config=OracleJudgeOptions)


@hookimpl
def register_scorers(register: Register) -> None:
    register("pointwise", PointwiseScorer, config=PointwiseOptions)
    register("panel", PanelScorer, config=PanelOptions)
    register("reward-model", RewardModelScorer, config=RewardOptions)
    register("rules", RulesScorer, config=Rules)
    register("pocket-oracle", OracleScorer)
    register("pocket-correct", CorrectnessScorer)


@hookimpl
def register_pairings(register: Register) -> None:
    register("revised-vs-initial", RevisedVsInitial)
    register("best-vs-worst", best_vs_worst, config=AmongOptions)
    register("best-vs-random", best_vs_random, config=AmongOptions)
    register("mu-minus-2-sigma", mu_minus_2_sigma, config=MuMinusOptions)
    register("max-margin", max_margin, config=MaxMarginOptions)
    register("all-pairs", all_pairs, config=AllPairsOptions)
    register("tournament", Tournament, config=TournamentOptions)
    register("pareto", Pareto, config=AmongOptions)


@hookimpl
def register_filters(register: Register) -> None:
    register("identical", Identical)
    register("near-identical", NearIdentical, config=NearIdenticalOptions)
    register("min-length", MinLength, config=MinLengthOptions)
    register("length-ratio", LengthRatio, config=LengthRatioOptions)
    register("length-matched", LengthMatched, config=LengthMatchedOptions)
    register("min-confidence", MinConfidence, config=MinConfidenceOptions)
    register("consistent-orders", ConsistentOrders, config=ConsistentOrdersOptions)
    register("scores-agree", ScoresAgree)
    register("truncated", Truncated, config=TruncatedOptions)
    register("refusals", Refusals, config=RefusalsOptions)
    register("boilerplate", Boilerplate, config=BoilerplateOptions)
    register("language", Language, config=LanguageOptions)
    register("personal-data", PersonalData, config=PersonalDataOptions)
    register("contamination", Contamination, config=ContaminationOptions)
    register("duplicate-prompts", DuplicatePrompts, config=DuplicatePromptsOptions)
    register("duplicate-answers", DuplicateAnswers, config=DuplicateAnswersOptions)
