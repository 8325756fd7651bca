"""Preference losses: which of several answers people like better.

Log-probabilities are those of whole answers, summed over their tokens unless a loss says
otherwise; those of the reference model are data.
"""

from losscompiler.spec import (
    Interval,
    Mask,
    Max,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    sigmoid,
    where,
)

from .ranking import margin_ranking


def preferred(x):
    """Minus the log-probability, under a logistic model, of an advantage `x`."""
    return -log(sigmoid(x))


def flipped(x, share):
    """The same where that share of the preferences is assumed to be the wrong way round."""
    return (1 - share) * preferred(x) + share * preferred(-x)


def advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    """How much more the policy prefers the chosen answer than the reference model does."""
    return (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)


BETA = Rational(1, 10)
BELOW_HALF = Interval.Ropen(0, Rational(1, 2))


@loss(aliases=("dpo_sigmoid",))
def dpo(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
    label_smoothing=Param(0, interval=(0, Rational(1, 2))),
):
    """Direct preference optimisation: a logistic loss of the difference of two log-ratios.

    Use it to tune a model on pairs of answers without a reward model or sampling. `beta` is the
    price of leaving the reference model. `label_smoothing` is the share of pairs assumed to be
    the wrong way round ("conservative" DPO, which stops at a finite margin; `dpo_robust` is the
    unbiased form). Without a reference model pass zeros for it. It may lower the probability of
    both answers: `cpo` and `apo_zero` hold the chosen one up.

    References:
        R. Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a
        Reward Model", 2023.
    """
    x = advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return flipped(beta * x, label_smoothing)


@loss(aliases=("dpo_robust_cdpo",))
def dpo_robust(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
    label_smoothing=Param(0, domain=BELOW_HALF),
):
    """`dpo`, corrected so that its mean under noisy preferences is that of clean ones.

    Use it when a known share `label_smoothing` of the pairs is the wrong way round. A pair that
    the model ranks far the wrong way costs much, one far the right way less than nothing: the loss
    is unbounded below. Where that share is only a guess, `label_smoothing` of `dpo` is safer.

    References:
        S. R. Chowdhury, A. Kini and N. Natarajan, "Provably Robust DPO: Aligning Language Models
        with Noisy Feedback", 2024.
    """
    x = beta * advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    clean = (1 - label_smoothing) * preferred(x) - label_smoothing * preferred(-x)
    return clean / (1 - 2 * label_smoothing)


@loss
def ipo(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Identity preference optimisation: squared distance of the log-ratio's margin from a goal.

    Use it where `dpo` overfits preferences that are all certain: the margin is drawn to
    `1 / (2 beta)`, not to infinity. Libraries disagree on what a log-probability is here: TRL
    averages it over the tokens in its DPO trainer and sums it in its CPO trainer. Pass what is
    meant; `beta` has another scale in each.

    References:
        M. G. Azar et al., "A General Theoretical Paradigm to Understand Learning from Human
        Preferences", 2023.
    """
    x = advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return (x - 1 / (2 * beta)) ** 2


@loss
def dpo_hinge(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(BETA, positive=True),
):
    """Hinge loss of the difference of two log-ratios, scaled by `beta`.

    Use it in place of `dpo` to leave alone pairs that are ranked right by a margin of `1 / beta`.
    Without a reference model use `slic`.

    References:
        T. Liu et al., "Statistical Rejection Sampling Improves Preference Optimization", 2023.
    """
    x = advantage(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return Max(0, 1 - beta * x)


@loss
def slic(chosen=Prediction(), rejected=Prediction(), *, margin=Param(1, nonnegative=True)):
    """Sequence likelihood calibration: hinge loss of two log-probabilities.

    Use it to rank answers without a reference model. Add a likelihood term on good answers, as the
    authors do, or the model drifts; `dpo_hinge` holds on to a reference instead.

    References:
        Y. Zhao et al., "SLiC-HF: Sequence Likelihood Calibration with Human Feedback", 2023.
    """
    return margin_ranking(chosen, rejected, 1, margin=margin)


@loss
def kto(
    policy=Prediction(),
    reference=Target(),
    desirable=Mask(),
    baseline=Target(),
    *,
    beta=Param(BETA, positive=True),
    desirable_weight=Param(1, nonnegative=True),
    undesirable_weight=Param(1, nonnegative=True),
):
    """Kahneman-Tversky optimisation: answers that are good or bad, each on its own.

    Use it when answers are rated one by one and there are no pairs. `baseline` is the estimated
    divergence of the policy from the reference model: the mean log-ratio over mismatched pairs of
    prompt and answer, one number for all samples; it is data, a negative one counts as 0, and no
    gradient flows into it. Weigh the rarer kind up. With pairs `dpo` uses more of the data.

    References:
        K. Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization", 2024.
    """
    gain = beta * (policy - reference - Max(0, baseline))
    return where(
        desirable,
        desirable_weight * (1 - sigmoid(gain)),
        undesirable_weight * (1 - sigmoid(-gain)),
    )


@loss(aliases=("simpo_cpo",))
def simpo(
    chosen=Prediction(),
    rejected=Prediction(),
    *,
    beta=Param(BETA, positive=True),
    gamma=Param(Rational(1, 2), nonnegative=True),
    label_smoothing=Param(0, interval=(0, Rational(1, 2))),
):
    """Simple preference optimisation: the log-probability per token is the reward.

    Use it without a reference model. Log-probabilities are means over the tokens of an answer, so
    that long answers are not favoured; `gamma` is the margin, in units of reward. The defaults are
    TRL's; the authors' own are `beta` of 2 to 10.

    References:
        Y. Meng, M. Xia and D. Chen, "SimPO: Simple Preference Optimization with a Reference-Free
        Reward", 2024.
    """
    return flipped(beta * (chosen - rejected) - gamma, label_smoothing)


@loss
def cpo(
    chosen=Prediction(),
    rejected=Prediction(),
    *,
    beta=Param(BETA, positive=True),
    alpha=Param(1, nonnegative=True),
    label_smoothing=Param(0, interval=(0, Rational(1, 2))),
):
    """Contrastive preference optimisation: `dpo` without a reference model, plus likelihood.

    Use it where a reference model does not fit into memory. The term `-alpha * chosen` keeps the
    chosen answer likely. It is the log-probability of the whole answer, as in the paper; TRL's
    counts tokens of the batch alike: with its numbers take `alpha = 0` and add them.

    References:
        H. Xu et al., "Contrastive Preference Optimization: Pushing the Boundaries of LLM
        Performance in Machine Translation", 2024.
    """
    return flipped(beta * (chosen - rejected), label_smoothing) - alpha * chosen


@loss
def orpo(
    chosen=Prediction(negative=True),
    rejected=Prediction(negative=True),
    *,
    beta=Param(BETA, nonnegative=True),
):
    """Odds-ratio preference optimisation: likelihood of the chosen answer and its odds, at once.

    Use it to fine-tune and align in one stage, without a reference model. Log-probabilities are
    means over the tokens of an answer, below 0. The odds `p / (1 - p)` keep their digits for
    answers that are almost certain. The likelihood term is that of each chosen answer; TRL's
    counts every token of the batch alike.

    References:
        J. Hong, N. Lee and J. Thorne, "ORPO: Monolithic Preference Optimization without Reference
        Model", 2024.
    """

    def log_odds(log_probability):
        return log_probability - log(1 - exp(log_probability))

    return -chosen + beta * preferred(log_odds(chosen) - log_odds(rejected))


@loss(aliases=("reward_bradley_terry",))
def bradley_terry(
    chosen=Prediction(),
    rejected=Prediction(),
    margin=Target(optional=True),
    *,
    centering=Param(0, nonnegative=True),
):
    """Minus the log-probability that the chosen answer's reward beats the rejected one's.

    Use it to train a reward model, or to rate players. `margin` says by how much, where that is
    known. Only differences of rewards matter; `centering` pulls the two rewards of a pair to mean
    zero, by the square of their sum. For more than two answers use `plackett_luce`.

    References:
        R. A. Bradley and M. E. Terry, "Rank Analysis of Incomplete Block Designs", 1952.
        J. Eisenstein et al., "Helping or Herding? Reward Model Ensembles Mitigate but do not
        Eliminate Reward Hacking", 2023 (centering).
    """
    lead = chosen - rejected
    if margin is not None:
        lead -= margin
    return preferred(lead) + centering * (chosen + rejected) ** 2


@loss
def plackett_luce(scores=Prediction("answer"), valid=Mask("answer", optional=True)):
    """Minus the log-probability of an order of answers, chosen one after the other by softmax.

    Use it for complete rankings of several answers: they come best first. `valid` is false for
    padding. With two answers it is `bradley_terry`. Pass `beta` times the log-ratios of a policy
    for the ranking form of `dpo`. Memory grows with the square of the number of answers.

    References:
        R. L. Plackett, "The Analysis of Permutations", 1975.
        R. D. Luce, "Individual Choice Behavior", 1959.
    """
    i, j = index("answer", "i j")
    left = Sum(where(j >= i, exp(scores[j]), 0), j)
    if valid is None:
        return Sum(log(left) - scores[i], i)
    left = Sum(where((j >= i) & valid[j], exp(scores[j]), 0), j)
    return Sum(where(valid[i], log(left) - scores[i], 0), i)
