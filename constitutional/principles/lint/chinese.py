"""Just enough Chinese to read a principle."""

from __future__ import annotations

import re

from constitutional.principles.lint.english import MOST_READ

CHARACTER = re.compile(r"[一-鿿]")
SUBJECT = re.compile(
    r"^(?:(?:当|如果|若|如|在|对于?|面对|遇到|凡是?|涉及|用户|被问)[^，。；：]*，)?(?:则|那么)?(?:助手|模型|AI|人工智能)?的?(?:每[个次]?)?"
    r"(?:回答|答复|回复|答案|助手|模型|代码|它)?(?:应当|应该|应|必须|需要?|要|会|总是|始终|都)*"
)
NO = re.compile(r"^(?:绝|从|切|也|并|更|都)*(?:不|勿|禁止|避免|没有|无(?!论)|严禁|拒绝|杜绝|别)")
EXAMPLES = re.compile(r"^(?:包括|例如|比如|如|无论|即使|哪怕|尤其|特别|以及|或|和)")
TRAIT = (
    "友善|友好|专业|真诚|诚实|诚恳|礼貌|有礼貌|有帮助|有用|温暖|耐心|热情|客观|公正|中立|可靠|负责任?|善良|体贴|尊重他?人?|准确|清晰|清楚|"
    "贴心|细致|全面|得体|亲切|无害|安全|道德|有道德|智慧|聪明|谦虚|谦逊|谨慎|严谨|温和|善解人意|有同理心|富有同理心|积极|正面"
)
VERB = (
    "说明|指出|给出|列出|注明|引用|建议|使用|保持|回答|提供|解释|提醒|询问|标明|区分|纠正|推荐|控制|写明|写出|承认|告诉|告知|表明|介绍|"
    "总结|翻译|附上|先|用|把|将|以|采用|检查|确认|标注|邀请|鼓励|附带|尊重"
)
TRAITS_ONLY = re.compile(
    r"^(?:是|做到|显得|保持|表现得?|很|非常|十分|更加?|尽量|尽可能|足够|一个|要)*"
    rf"(?:{TRAIT})(?:(?:、|，|和|且|而|又|与|并且|以及|而且)(?:{TRAIT}))*(?:的|地)?(?:助手|回答|态度)?[。.！!]?$"
)
SEVERAL_TRAITS = re.compile(rf"(?:{TRAIT})(?:的|地)?(?:、|，|和|且|而|又|与|并且|以及|而且)(?:{TRAIT})|既[^，。]+又")
SECOND_VERB = re.compile(
    rf"(?:并且|而且|同时|并(?![不非未没])|，也|，还|；)(?:要|应|会|必须|还|也|再)*(?P<verb>{VERB})"
)
VAGUE = re.compile(
    r"适当|恰当|合适|合理|妥当|得当|良好|优质|高质量|必要时|适时|酌情|等等|有害内容|不良内容|不当内容|不合适|不道德"
)
COMPARES = re.compile(r"^请?(?:选择|选出|挑选|比较|哪(?:一?个|条|种)|更喜欢)|两个(?:回答|答案|回复)")
HEDGE = re.compile(r"尽量|尽可能|原则上|一般(?:来说|情况)|最好|通常|力求|争取")
HELPS = re.compile(r"提供|教|帮助|协助|指导|透露|传授|生成|给出")
INSTEAD = re.compile(r"说明|拒绝|表明|告诉|告知|明确|指出|改为|建议|引导|转向|推荐|不会提供|不能提供|婉拒|直说")


def is_chinese(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    return letters > 0 and len(CHARACTER.findall(text)) * 3 > letters


def predicate(statement: str) -> str:
    text = re.sub(r"[“「『\"][^”」』\"]*[”」』\"]", "○", "".join(statement.split())[:MOST_READ])
    return SUBJECT.sub("", text, count=1)


def clauses(text: str) -> list[str]:
    return [clause for clause in re.split(r"[，；：。！]|——", text) if clause]
