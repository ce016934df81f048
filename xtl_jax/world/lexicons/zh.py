"""Chinese (simplified). No spaces in text; things bring their measure word."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged

LEXICON = Lexicon(
    language="zh",
    english_name="Chinese",
    script="CJK",
    separator="",
    people=table("""
        anna 安娜
        maria 玛丽亚
        sara 萨拉
        layla 莱拉
        amina 阿米娜
        elena 埃琳娜
        olga 奥尔加
        nina 尼娜
        julia 朱莉娅
        sofia 索菲亚
        omar 奥马尔
        ali 阿里
        ivan 伊万
        peter 彼得
        paul 保罗
        david 大卫
        daniel 丹尼尔
        adam 亚当
        yusuf 优素福
        hassan 哈桑
    """),
    words={
        "city": table("""
            london 伦敦
            paris 巴黎
            berlin 柏林
            madrid 马德里
            rome 罗马
            moscow 莫斯科
            cairo 开罗
            nairobi 内罗毕
            istanbul 伊斯坦布尔
            delhi 德里
            beijing 北京
            tokyo 东京
        """),
        "job": table("""
            doctor 医生
            teacher 老师
            engineer 工程师
            cook 厨师
            farmer 农民
            driver 司机
            nurse 护士
            journalist 记者
            painter 画家
            writer 作家
        """),
        "food": table("""
            rice 米饭
            bread 面包
            fish 鱼
            cheese 奶酪
            cake 蛋糕
            honey 蜂蜜
            chocolate 巧克力
            salad 沙拉
        """),
        "tongue": table("""
            english 英语
            german 德语
            spanish 西班牙语
            swahili 斯瓦希里语
            turkish 土耳其语
            russian 俄语
            arabic 阿拉伯语
            hindi 印地语
            chinese 汉语
        """),
        "thing": table("""
            book 一 本 [书]
            bicycle 一 辆 [自行车]
            car 一 辆 [汽车]
            lamp 一 盏 [灯]
            table 一 张 [桌子]
            chair 一 把 [椅子]
            watch 一 块 [手表]
            telephone 一 部 [电话]
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "{person} 住 在 {value} 。",
                "{person} 的 家 在 {value} 。",
            ),
            question="{person} 住 在 哪里 ？",
        ),
        "workplace": Templates(
            statements=(
                "{person} 在 {value} 工作 。",
                "{person} 在 {value} 上班 。",
            ),
            question="{person} 在 哪里 工作 ？",
        ),
        "job": Templates(
            statements=("{person} 是 {value} 。", "{person} 的 职业 是 {value} 。"),
            question="{person} 的 职业 是 什么 ？",
        ),
        "born": Templates(
            statements=(
                "{person} 出生 于 {value} 年 。",
                "{person} 是 {value} 年 出生 的 。",
            ),
            question="{person} 是 哪 一 年 出生 的 ？",
        ),
        "food": Templates(
            statements=(
                "{person} 最 爱 吃 {value} 。",
                "{person} 最 喜欢 的 食物 是 {value} 。",
            ),
            question="{person} 最 爱 吃 什么 ？",
        ),
        "tongue": Templates(
            statements=(
                "{person} 在 家 说 {value} 。",
                "在 家里 ， {person} 说 {value} 。",
            ),
            question="{person} 在 家 说 什么 语言 ？",
        ),
        "wish": Templates(
            statements=(
                "{person} 想 买 {value} 。",
                "{person} 想要 买 {value} 。",
            ),
            question="{person} 想 买 什么 ？",
        ),
    },
    tags=tagged("""
        ADP: 在 于
        ADV: 最
        AUX: 是
        DET: 哪
        NOUN: 家 家里 职业 年 食物 语言 本 辆 盏 张 把 块 部 台 顶 件 个
        NUM: 一
        PART: 的
        PRON: 哪里 什么
        PUNCT: 。 ？ ，
        VERB: 住 工作 上班 出生 爱 吃 喜欢 说 想 想要 买
    """),
)
