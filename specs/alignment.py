"""Alignment losses that judge each answer of a pair against the reference model by itself."""

from losscompiler.spec import (
    Interval,
    Param,
    Prediction,
    Rational,
    Target,
    log,
    loss,
    sigmoid,
)

from .preference import BETA, advantage, preferred


@loss
def sppo(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Self-play preference optimisation: both log-ratios are drawn to fixed goals.

    Use it for rounds of self-play, where the reference model is the policy of the last round. The
    chosen log-ratio goes to `1 / (2 beta)` and the rejected one to minus that, so the chosen
    answer's probability does rise. Preferences count as certain.

    References:
        Y. Wu et al., "Self-Play Preference Optimization for Language Model Alignment", 2024.
    """
    goal = 1 / (2 * beta)
    up = policy_chosen - reference_chosen - goal
    down = policy_rejected - reference_rejected + goal
    return up**2 + down**2


@loss
def apo_zero(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Anchored preference optimisation that lifts the chosen answer and lowers the rejected one.

    Use it when the chosen answers are better than the model's own; where they are worse, use
    `dpo`. Both terms level off, so a hopeless pair pulls no more.

    References:
        K. D'Oosterlinck et al., "Anchored Preference Optimization and Contrastive Revisions:
        Addressing Underspecification in Alignment", 2024.
    """
    chosen = beta * (policy_chosen - reference_chosen)
    rejected = beta * (policy_rejected - reference_rejected)
    return 1 - sigmoid(chosen) + sigmoid(rejected)


@loss
def bco(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    shift=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Binary classifier optimisation: a logistic classifier of chosen against rejected answers.

    Use it for pairs, or in two halves for answers rated one by one. `shift` is the running mean of
    all rewards `beta * log-ratio`: data, and one number for all samples.

    References:
        S. Jung et al., "Binary Classifier Optimization for Large Language Model Alignment", 2024.
    """
    chosen = beta * (policy_chosen - reference_chosen)
    rejected = beta * (policy_rejected - reference_rejected)
    return preferred(chosen - shift) + preferred(shift - rejected)


@loss
def nca(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Noise contrastive alignment of a pair: likelihoods are absolute, not only relative.

    Use it where `dpo` makes the chosen answer less likely. The log-ratio of the chosen answer
    rises from 0 only as far as both terms allow.

    References:
        H. Chen et al., "Noise Contrastive Alignment of Language Models with Explicit Rewards",
        2024.
    """
    chosen = beta * (policy_chosen - reference_chosen)
    rejected = beta * (policy_rejected - reference_rejected)
    return preferred(chosen) + (preferred(-chosen) + preferred(-rejected)) / 2


@loss
def exo(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
    label_smoothing=Param(Rational("0.001"), domain=Interval.open(0, 1)),
):
    """Exact optimisation of a pair: reverse Kullback-Leibler divergence from the preference.

    Use it in place of `dpo`, whose divergence runs the other way and spreads probability. The
    preference of the chosen answer counts as `1 - label_smoothing`, which must not be 1.

    References:
        H. Ji et al., "Towards Efficient Exact Optimization of Language Model Alignment", 2024.
    """
    x = beta * advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    keep = sigmoid(x) * (log(sigmoid(x)) - log(1 - label_smoothing))
    swap = sigmoid(-x) * (log(sigmoid(-x)) - log(label_smoothing))
    return keep + swap
