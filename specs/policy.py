"""Policy losses of reinforcement learning: make actions that turned out well more likely.

Advantages, returns and old log-probabilities are data: nothing is differentiated by them.
Reduction and `normalizer` decide whether tokens or sequences count alike.
"""

from losscompiler.spec import (
    Abs,
    Label,
    Mask,
    Max,
    Min,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    log_softmax,
    loss,
    softmax,
    stop_gradient,
    where,
)

EPSILON = Rational(1, 5)


def clipped_surrogate(ratio, advantage, low, high):
    """The pessimistic one of the ratio's gain and of the clipped ratio's gain, as a cost."""
    clipped = Min(Max(ratio, 1 - low), 1 + high)
    return -Min(ratio * advantage, clipped * advantage)


def k3(log_probability, reference):
    """Estimate of the divergence of a policy from a reference, from one of its own samples."""
    d = reference - log_probability
    return exp(d) - d - 1


@loss(aliases=("reinforce",))
def policy_gradient(logits=Prediction("action"), action=Label("action"), advantage=Target()):
    """Minus the advantage times the log-probability of the action that was taken (REINFORCE).

    Use it for on-policy samples. `advantage` is the return less a baseline; without a baseline
    the variance is high. Its value means nothing: only its gradient does. For several steps on
    one batch use `ppo_clip`. With advantages of 1 it is `sparse_softmax_cross_entropy`, which
    clones behaviour.

    References:
        R. J. Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist
        Reinforcement Learning", 1992.
    """
    k = index("action", "k")
    return advantage * (log(Sum(exp(logits[k]), k)) - logits[action])


@loss
def entropy_bonus(logits=Prediction("action")):
    """Minus the entropy of the softmax of logits.

    Use it beside a policy loss, scaled by 0.01 or so, to keep the policy exploring. It lies
    between `-log(n)` for `n` actions and 0.

    References:
        R. J. Williams and J. Peng, "Function Optimization Using Connectionist Reinforcement
        Learning Algorithms", 1991.
    """
    k = index("action", "k")
    return Sum(softmax(logits[k], k) * log_softmax(logits[k], k), k)


@loss(aliases=("a2c",))
def advantage_actor_critic(
    logits=Prediction("action"),
    value=Prediction(),
    action=Label("action"),
    returns=Target(),
    *,
    value_coefficient=Param(Rational(1, 2), nonnegative=True),
):
    """Policy gradient and squared error of the value in one sum (A2C).

    Use it for an actor and a critic that share a network; add `entropy_bonus` for exploration. The
    advantage `returns - value` weighs the policy's part without a gradient of its own: the value
    learns from its squared error alone, which has no factor 1/2 but that of `value_coefficient`.

    References:
        V. Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016.
    """
    actor = policy_gradient(logits, action, stop_gradient(returns - value))
    return actor + value_coefficient * (returns - value) ** 2


@loss
def ppo_clip(
    log_probability=Prediction(),
    old_log_probability=Target(),
    advantage=Target(),
    *,
    clip_low=Param(EPSILON, interval=(0, 1)),
    clip_high=Param(EPSILON, nonnegative=True),
):
    """Proximal policy optimisation: gain of an action by its ratio to the old policy, clipped.

    Use it for several steps on one batch of actions. A ratio beyond `1 - clip_low` or
    `1 + clip_high` gains nothing further, so there is no gradient; going back is never clipped.
    A `clip_high` above `clip_low` lets rare actions grow ("clip higher").

    References:
        J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017.
        Q. Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", 2025
        (two bounds).
    """
    ratio = exp(log_probability - old_log_probability)
    return clipped_surrogate(ratio, advantage, clip_low, clip_high)


@loss
def ppo_value_clip(
    value=Prediction(),
    old_value=Target(),
    returns=Target(),
    *,
    epsilon=Param(EPSILON, positive=True),
):
    """Half the squared error of a value, or of the value clipped around the old one if larger.

    Clipping matters only for returns more than `epsilon` away from the old value: there the loss
    levels off at their squared distance from the clip.

    Use it beside `ppo_clip` to keep the critic near the one that made the advantages. Its benefit
    is disputed; `squared_error` is the plain choice.

    References:
        J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017.
    """
    # A value on its way to returns beyond the clip stops at their distance from the clip.
    outside = Abs(returns - old_value) - epsilon
    error = (value - returns) ** 2
    return where(outside > 0, Max(error, outside**2), error) / 2


@loss(aliases=("grpo_family",))
def grpo(
    log_probability=Prediction("token"),
    old_log_probability=Target("token"),
    advantage=Target(),
    reference=Target("token", optional=True),
    *,
    clip_low=Param(EPSILON, interval=(0, 1)),
    clip_high=Param(EPSILON, nonnegative=True),
    beta=Param(Rational("0.04"), nonnegative=True),
):
    """Group-relative policy optimisation: one loss per token, the answer's advantage for each.

    Use it to tune a language model on rewards of whole answers: `advantage` is the reward less
    the mean of its group of answers, over the group's standard deviation or not (Dr. GRPO).
    `beta` weighs the divergence from `reference` (`k3_kl`); without a reference there is none,
    which is TRL's default. `mask` marks
    the tokens that count, and the reduction makes the variant: the mean over all tokens of the
    batch is BNPO; with the token count of all devices as `normalizer` DAPO; with the constant
    length limit times the number of answers Dr. GRPO; and with the weight `1 / length` of each
    answer the original.

    References:
        Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language
        Models", 2024.
        Z. Liu et al., "Understanding R1-Zero-Like Training: A Critical Perspective", 2025.
    """
    t = index("token")
    ratio = exp(log_probability[t] - old_log_probability[t])
    cost = clipped_surrogate(ratio, advantage, clip_low, clip_high)
    return cost if reference is None else cost + beta * k3(log_probability[t], reference[t])


@loss
def gspo(
    log_probability=Prediction("token"),
    old_log_probability=Target("token"),
    valid=Mask("token"),
    advantage=Target(),
    *,
    clip_low=Param(EPSILON, interval=(0, 1)),
    clip_high=Param(EPSILON, nonnegative=True),
):
    """Group sequence policy optimisation: `ppo_clip` of the geometric mean of token ratios.

    Use it in place of `grpo` where single tokens' ratios are too noisy, as in mixtures of
    experts. One loss per answer; `valid` marks its tokens, and an answer without any has a ratio
    of 1. The authors clip far closer: 3e-4 below and 4e-4 above.

    References:
        C. Zheng et al., "Group Sequence Policy Optimization", 2025.
    """
    t = index("token")
    kept = indicator(valid[t])
    change = Sum(kept * (log_probability[t] - old_log_probability[t]), t)
    ratio = exp(change / Max(Sum(kept, t), 1))
    return clipped_surrogate(ratio, advantage, clip_low, clip_high)


@loss
def k1_kl(log_probability=Prediction(), reference=Target()):
    """Unbiased estimate of the divergence of a policy from a reference: the log-ratio itself.

    Use it to report a divergence, from samples of the policy. Its gradient is that of the
    log-probability, whatever the reference: as a penalty use `k2_kl` or `k3_kl`, or put it into
    the reward.

    References:
        J. Schulman, "Approximating KL Divergence", 2020.
    """
    return log_probability - reference


@loss
def k2_kl(log_probability=Prediction(), reference=Target()):
    """Half the squared log-ratio: a divergence with little variance, and with a small bias.

    Use it as a penalty: on samples of the policy itself its gradient is that of the divergence.

    References:
        J. Schulman, "Approximating KL Divergence", 2020.
    """
    return (log_probability - reference) ** 2 / 2


@loss
def k3_kl(log_probability=Prediction(), reference=Target()):
    """Unbiased, nonnegative estimate of the divergence of a policy from a reference.

    Use it to report a divergence or as the penalty of `grpo`, from samples of the policy. It grows
    exponentially where the reference likes a sample better than the policy does. Its expected
    value is the divergence, but its expected gradient is not that of the divergence; `k2_kl` has
    that.

    References:
        J. Schulman, "Approximating KL Divergence", 2020.
    """
    return k3(log_probability, reference)


@loss(aliases=("expected_reward",))
def minimum_risk(
    log_probability=Prediction("candidate"),
    reward=Target("candidate"),
    *,
    sharpness=Param(1, positive=True),
):
    """Minus the expected reward of several candidates, by their renormalised probabilities.

    Use it to train a sequence model on a score of whole sequences, such as BLEU: the candidates
    are samples or a beam, `log_probability` that of each whole sequence. Only differences of
    rewards have a gradient. `sharpness` scales the log-probabilities; the authors take 0.005,
    since those of long sequences lie far apart.

    References:
        S. Shen et al., "Minimum Risk Training for Neural Machine Translation", 2016.
        S. Edunov et al., "Classical Structured Prediction Losses for Sequence to Sequence
        Learning", 2018.
    """
    k = index("candidate", "k")
    return -Sum(softmax(sharpness * log_probability[k], k) * reward[k], k)


@loss(aliases=("scst",))
def self_critical(log_probability=Prediction(), reward=Target(), baseline=Target()):
    """Log-probability of a sampled sequence times what it scored less than the greedy one.

    Use it to train a sequence model on a score of whole sequences from one sample each: `baseline`
    is the score of the greedily decoded sequence. Its value means nothing: only its gradient
    does. With several samples `minimum_risk` has less variance.

    References:
        S. J. Rennie et al., "Self-Critical Sequence Training for Image Captioning", 2017.
    """
    return (baseline - reward) * log_probability


@loss(aliases=("awr", "awac"))
def advantage_weighted_regression(
    log_probability=Prediction(),
    advantage=Target(),
    *,
    temperature=Param(1, positive=True),
    max_weight=Param(20, positive=True),
):
    """Minus the log-probability of an action, weighted by the exponential of its advantage.

    Use it to learn a policy from recorded actions, alone (AWR, AWAC) or behind `expectile_value`
    (IQL). A lower `temperature` trusts the advantages more; weights end at `max_weight`.

    References:
        X. B. Peng et al., "Advantage-Weighted Regression: Simple and Scalable Off-Policy
        Reinforcement Learning", 2019.
        A. Nair et al., "AWAC: Accelerating Online Reinforcement Learning with Offline Datasets",
        2020.
    """
    return -Min(exp(advantage / temperature), max_weight) * log_probability
