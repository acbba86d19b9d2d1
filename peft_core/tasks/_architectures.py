"""For which model types transformers knows a head, beyond those that every supported base model has.

A test compares these with transformers' own tables, so that the web process can answer without loading it.
"""

TOKEN_CLASSIFICATION = frozenset(
    {
        *("albert", "bert", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert", "electra", "ernie"),
        *("mobilebert", "modernbert", "mpnet", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer"),
        *("xlm-roberta", "xlm-roberta-xl", "xmod", "megatron-bert", "convbert", "ibert", "nystromformer", "eurobert"),
        *("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "smollm3"),
        *("t5", "mt5", "umt5"),
    }
)

MULTIPLE_CHOICE = frozenset(
    {
        *("albert", "bert", "camembert", "data2vec-text", "deberta-v2", "distilbert", "electra", "ernie"),
        *("mobilebert", "modernbert", "mpnet", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer"),
        *("xlm-roberta", "xlm-roberta-xl", "xmod", "megatron-bert", "convbert", "ibert", "nystromformer"),
    }
)
