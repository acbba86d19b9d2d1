"""What is usually behind each symptom, what to change now, and how not to get there: likeliest first."""

from peft_core.spec import Frozen


class Advice(Frozen):
    """Sentences for a person, each to act on by itself."""

    causes: tuple[str, ...]
    fixes: tuple[str, ...]
    prevention: tuple[str, ...]


OUT_OF_MEMORY = Advice(
    causes=(
        "The batch is too large or its texts are too long for the device: activations grow with both.",
        "The whole batch is worked off at once, and every activation is kept for the way back.",
        "The method trains many numbers: gradients and optimizer state take three times their size.",
    ),
    fixes=(
        "Halve the batch size, or work the batch off in parts (accumulation), which changes no result.",
        "Cut texts at a shorter length.",
        "Turn gradient checkpointing on: less memory for about a third more time.",
        "Lower the rank, or choose a method that trains less.",
    ),
    prevention=(
        "Read the estimated memory on the New study page before launching, and leave room.",
        "Choose the length by the texts there are: few of them need the longest.",
        "Look at the peak memory that the cost probe measures before raising anything.",
    ),
)

UNSTABLE = Advice(
    causes=(
        "The learning rate is too high: every step goes past the point it aims at.",
        "The batch is so small that one gradient contradicts the next.",
        "Gradients explode: clipping holds their length, not their direction.",
        "Numbers leave the range of the precision that the run computes in.",
    ),
    fixes=(
        "Divide the learning rate by ten, and by ten again if that is not enough.",
        "Use a larger batch; accumulation gives one without more memory.",
        "Lower what scales the update: alpha, or the rank that it is divided by.",
    ),
    prevention=(
        "Let the study try a grid of learning rates around the method's centre; validation leaves out what diverges.",
        "Keep warm-up, which every run here has: the first tenth of the steps.",
        "Watch the gradient norm in the first steps: it tells before the loss does.",
    ),
)

SLOW = Advice(
    causes=(
        "The learning rate is too low: the steps go the right way and are too small to arrive.",
        "The method begins far from anything useful, or its update is scaled down.",
        "The data say little of what is asked, so that every step learns little.",
    ),
    fixes=(
        "Multiply the learning rate by ten, and go on until the loss falls.",
        "Train longer, if the loss was still falling at the end.",
        "Raise what scales the update (alpha), or choose a method that begins from the weights, as PiSSA does.",
    ),
    prevention=(
        "Let the study try five learning rates around the method's centre, and extend a grid whose edge is best.",
        "Keep the initialisation that the method's paper gives.",
        "Look at the data before training: classes, lengths, what share of a text is cut.",
    ),
)

STALLED = Advice(
    causes=(
        "The budget is too short for this method: soft prompts need three to five times the steps of others.",
        "The data say little of what is asked, or labels are wrong, so that there is nothing to find.",
        "The learning rate is one that the method usually takes, and still wrong for this task.",
    ),
    fixes=(
        "Train longer: more epochs, or to convergence with patience.",
        "Read some items with their labels, and remove what is wrong.",
        "Try learning rates on both sides of this one.",
    ),
    prevention=SLOW.prevention,
)

TOO_LITTLE = Advice(
    causes=(
        "Too little training: a handful of steps cannot move the model far, whatever the method.",
        "The rank (or prompt, or bottleneck) is too small for the task.",
        "The learning rate is wrong for so few steps.",
    ),
    fixes=(
        "Train longer: some hundred optimizer steps, more epochs or a smaller batch.",
        "Then raise the rank step by step, as the rank sweep does.",
        "Then try learning rates on both sides.",
    ),
    prevention=(
        "Give every method of a study the budget that full fine-tuning needs to learn.",
        "Begin with the recommended rank, and go down from there.",
        "Train to convergence: early stopping ends what needs no more steps.",
    ),
)

MEMORIES = Advice(
    causes=(
        "The training items were learned by heart: they are few, or were seen too often.",
        "The data are wrong: labels at random, or texts that do not tell them.",
        "The learning rate or the rank is too high for so few items.",
    ),
    fixes=(
        "Read some items with their labels, remove what is wrong, and add items if there are any.",
        "Stop early: train to convergence with patience, which keeps the best weights.",
        "Lower the learning rate or the rank, or add dropout.",
    ),
    prevention=(
        "Clean and check the data first; duplicates are already kept out of the other splits.",
        "Keep a validation split large enough to see a gain.",
        "Use early stopping where the items are few.",
    ),
)
