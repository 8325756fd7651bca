"""Survival losses: times to an event, some of which are known only to exceed a time."""

from losscompiler.spec import Mask, Max, Prediction, Sum, Target, exp, index, indicator, log, loss


@loss
def cox_partial_likelihood(log_risk=Prediction("batch"), time=Target("batch"), event=Mask("batch")):
    """Negative log partial likelihood of Cox's proportional hazards, per event.

    Use it to learn relative risks from censored times: `event` is true where the event was seen
    and false where observation ended before it. Whoever is still observed at a time is at risk at
    that time, those with a tied time included (Breslow's handling of ties). There is one loss per
    batch, the mean over its events, which is 0 if it has none. A batch is a sample of the risk
    sets: small batches bias it, and a baseline hazard must be estimated separately.

    References:
        D. R. Cox, "Regression Models and Life-Tables", 1972.
        N. Breslow, "Covariance Analysis of Censored Survival Data", 1974.
    """
    i, j = index("batch", "i j")
    at_risk = Sum(indicator(time[j] >= time[i]) * exp(log_risk[j]), j)
    cost = Sum(indicator(event[i]) * (log(at_risk) - log_risk[i]), i)
    return cost / Max(Sum(indicator(event[i]), i), 1)
