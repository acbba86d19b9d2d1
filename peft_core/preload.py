"""Imported once by the process that runs are forked from: what every run needs, and no tensor operation.

A forked run then starts in a hundredth of a second; imports would take it several.
"""

import peft
import torch
import transformers.models.bert.modeling_bert
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import peft_core.run
from peft_core.method import methods
from peft_core.metric import metrics
from peft_core.task import tasks

__all__ = ["AutoModelForSequenceClassification", "AutoTokenizer", "peft", "peft_core", "torch", "transformers"]

methods(), metrics(), tasks()
