"""Value losses of reinforcement learning: predictions of what is still to come.

Rewards, discounts (0 where an episode ends) and the values of the next state are data: pass those
of the target network.
"""

from losscompiler.spec import (
    Abs,
    AxisMax,
    Eq,
    Interval,
    Label,
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
    loss,
    size,
    where,
)


@loss(aliases=("td_error",))
def temporal_difference(
    value=Prediction(), reward=Target(), discount=Target(interval=(0, 1)), next_value=Target()
):
    """Half the squared error of a value against one step of reward and the next value, TD(0).

    Use it to learn the value of a policy. The next value is data, so the gradient is a
    semi-gradient. For expected SARSA pass the mean of the next values under the policy.

    References:
        R. S. Sutton, "Learning to Predict by the Methods of Temporal Differences", 1988.
    """
    return (reward + discount * next_value - value) ** 2 / 2


@loss
def q_learning(
    values=Prediction("action"),
    action=Label("action"),
    reward=Target(),
    discount=Target(interval=(0, 1)),
    next_values=Target("action"),
):
    """Half the squared error of an action's value against reward and the best next value.

    Use it for deep Q-networks. The maximum overestimates noisy values: prefer `double_q_learning`.

    References:
        C. J. C. H. Watkins and P. Dayan, "Q-Learning", 1992.
        V. Mnih et al., "Human-Level Control through Deep Reinforcement Learning", 2015.
    """
    a = index("action")
    return temporal_difference(values[action], reward, discount, AxisMax(next_values[a], a))


@loss
def double_q_learning(
    values=Prediction("action"),
    action=Label("action"),
    reward=Target(),
    discount=Target(interval=(0, 1)),
    next_values=Target("action"),
    selector=Target("action"),
):
    """`q_learning` whose next action is chosen by one network and valued by another.

    Use it for deep Q-networks: `selector` are the next values by the network that is trained,
    `next_values` those of the target network. Where several actions are best for the selector,
    their values are averaged; libraries take the first one.

    References:
        H. van Hasselt, A. Guez and D. Silver, "Deep Reinforcement Learning with Double Q-learning",
        2016.
    """
    a, b = index("action", "a b")
    best = indicator(Eq(selector[a], AxisMax(selector[b], b)))
    next_value = Sum(best * next_values[a], a) / Sum(best, a)
    return temporal_difference(values[action], reward, discount, next_value)


@loss(aliases=("c51",))
def categorical_q_learning(
    logits=Prediction("atom"),
    next_probability=Target("atom", interval=(0, 1)),
    reward=Target(),
    discount=Target(interval=(0, 1)),
    *,
    low=Param(-10),
    high=Param(10),
):
    """Cross-entropy of a distribution of returns against its projected Bellman image (C51).

    Use it for distributional Q-learning: atoms lie evenly from `low` to `high`, and
    `next_probability` is the target network's distribution for the best next action. Each atom's
    image, clipped to the range, is shared by its two neighbours. At least two atoms.

    References:
        M. G. Bellemare, W. Dabney and R. Munos, "A Distributional Perspective on Reinforcement
        Learning", 2017.
    """
    i, j, k = index("atom", "i j k")
    step = (high - low) / Max(size("atom") - 1, 1)
    image = Min(Max(reward + discount * (low + j * step), low), high)
    share = Max(0, 1 - Abs(image - (low + i * step)) / step)
    projected = Sum(next_probability[j] * share, j)
    return Sum(projected * (log(Sum(exp(logits[k]), k)) - logits[i]), i)


@loss(aliases=("sac_actor",))
def soft_actor(
    log_probability=Prediction(),
    action_value=Prediction(),
    *,
    temperature=Param(Rational(1, 5), nonnegative=True),
):
    """Entropy's price less the value of a sampled action (soft actor-critic, the actor).

    Use it with actions sampled by reparametrisation, so that both inputs carry gradients;
    `action_value` is the smaller one of two critics'.

    References:
        T. Haarnoja et al., "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement
        Learning with a Stochastic Actor", 2018.
    """
    return temperature * log_probability - action_value


@loss(aliases=("sac_critic",))
def soft_critic(
    action_value=Prediction(),
    reward=Target(),
    discount=Target(interval=(0, 1)),
    first_next_value=Target(),
    second_next_value=Target(),
    next_log_probability=Target(),
    *,
    temperature=Param(Rational(1, 5), nonnegative=True),
):
    """Half the squared error of an action's value against the soft next value.

    Use it for each critic of soft actor-critic: the soft value is the smaller one of two target
    critics' for a newly sampled next action, less entropy's price.

    References:
        T. Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", 2018.
    """
    pessimistic = Min(first_next_value, second_next_value)
    soft = pessimistic - temperature * next_log_probability
    return temporal_difference(action_value, reward, discount, soft)


@loss(aliases=("cql",))
def conservative_q(values=Prediction("action"), action=Label("action")):
    """Log-sum-exp of all actions' values less the value of the recorded action.

    Use it beside `q_learning` on recorded data, scaled by a weight of its own, to keep the values
    of actions that were never tried down. It is the cross-entropy of the recorded action under a
    softmax of the values.

    References:
        A. Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning", 2020.
    """
    k = index("action", "k")
    return log(Sum(exp(values[k]), k)) - values[action]


@loss(aliases=("iql_value",))
def expectile_value(
    value=Prediction(),
    action_value=Target(),
    *,
    tau=Param(Rational("0.7"), domain=Interval.open(0, 1)),
):
    """Asymmetric squared error that draws a state's value to an upper expectile of its actions'.

    Use it for implicit Q-learning: with `tau` near 1 the value approaches that of the best
    recorded action, without asking about others.

    References:
        I. Kostrikov, A. Nair and S. Levine, "Offline Reinforcement Learning with Implicit
        Q-Learning", 2022.
    """
    shortfall = action_value - value
    return where(shortfall > 0, tau, 1 - tau) * shortfall**2
