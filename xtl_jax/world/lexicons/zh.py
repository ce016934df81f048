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
        eva 伊娃
        fatima 法蒂玛
        rosa 罗莎
        clara 克拉拉
        irina 伊琳娜
        nadia 娜迪亚
        vera 薇拉
        marta 玛尔塔
        priya 普里娅
        zara 扎拉
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
        karim 卡里姆
        viktor 维克托
        anton 安东
        boris 鲍里斯
        martin 马丁
        oscar 奥斯卡
        leo 利奥
        robert 罗伯特
        samir 萨米尔
        ravi 拉维
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
            athens 雅典
            vienna 维也纳
            lima 利马
            havana 哈瓦那
            baghdad 巴格达
            tehran 德黑兰
            kabul 喀布尔
            prague 布拉格
            warsaw 华沙
            oslo 奥斯陆
            dublin 都柏林
            lisbon 里斯本
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
            photographer 摄影师
            scientist 科学家
            translator 翻译
            waiter 服务员
            carpenter 木匠
            actor 演员
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
            yoghurt 酸奶
            chicken 鸡肉
            pizza 披萨
            fruit 水果
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
            french 法语
            italian 意大利语
            greek 希腊语
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
            radio 一 台 [收音机]
            guitar 一 把 [吉他]
            camera 一 台 [相机]
            umbrella 一 把 [雨伞]
            hat 一 顶 [帽子]
            coat 一 件 [大衣]
            bag 一 个 [包]
            bed 一 张 [床]
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
