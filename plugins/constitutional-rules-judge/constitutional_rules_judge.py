"""The smallest useful judge: the answer with fewer unwanted phrases is better. No model is asked."""

from pydantic import BaseModel, ConfigDict, Field

from constitutional import Judgement, Principle, Prompt, Register, Response, Setup, hookimpl


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phrases: list[str] = Field(min_length=1, description="What a good answer does not say; case does not matter.")
    certainty: float = Field(default=0.95, gt=0.5, le=1, description="P of the answer with fewer of them.")


class PhrasesJudge:
    """P = `certainty` for the answer with fewer of the phrases, ½ where both have as many."""

    def __init__(self, setup: Setup) -> None:
        self.options: Options = setup.options

    def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        fewer = self._count(b.text) - self._count(a.text)
        sure = self.options.certainty
        p = 0.5 if fewer == 0 else sure if fewer > 0 else 1 - sure
        return Judgement.of(a, b, principle.id, p, p, "phrases")

    def _count(self, text: str) -> int:
        return sum(text.casefold().count(phrase.casefold()) for phrase in self.options.phrases)


@hookimpl
def register_judges(register: Register) -> None:
    register("phrases", PhrasesJudge, config=Options)
