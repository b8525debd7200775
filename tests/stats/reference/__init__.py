"""The named tests of the corpus: a table of one function each, called with plain values.

A reference case names a test and gives its input; this table says what answers it. Where the
product has the test, or its parts, the product answers; where it has not, scipy does, and where
scipy has not either, a formula in this folder. Whoever checks other cases runs
`pytest tests/stats/test_corpus.py --corpus DIR`, or, in a checkout, imports `run` from here.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.stats import effects, groups, intervals, ttests
from gitexp.stats import ranks as bayes
from gitexp.stats.planned import detectable
from tests.stats.reference import counts, families, means, planning, ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TESTS: dict[str, Callable[..., object]] = {
    "paired_t_test": partial(means.t_test, design="paired"),
    "welch_t_test": partial(means.t_test, design="independent_welch"),
    "student_t_test": partial(means.t_test, design="independent_student"),
    "one_sample_t_test": means.one_sample_t_test,
    "superiority_by_margin_t_test": partial(means.by_margin, word="superior"),
    "non_inferiority_t_test": partial(means.by_margin, word="non_inferior"),
    "tost_paired": partial(means.tost, design="paired"),
    "tost_two_sample": means.tost,
    "wilcoxon_signed_rank": ranks.wilcoxon_signed_rank,
    "mann_whitney_u": ranks.mann_whitney_u,
    "paired_permutation_test": ranks.paired_permutation_test,
    "independent_permutation_test": ranks.independent_permutation_test,
    "corrected_resampled_t_test": means.corrected_resampled_t_test,
    "five_by_two_cv_t_test": means.five_by_two_cv_t_test,
    "five_by_two_cv_f_test": ttests.five_by_two_cv_f_test,
    "bayesian_correlated_t_test": means.bayesian_correlated_t_test,
    "mcnemar_test": counts.mcnemar_test,
    "cochran_q": counts.cochran_q,
    "delong_test": ranks.delong_test,
    "delong_auc_ci": ranks.delong_auc_ci,
    "approximate_randomization_test": ranks.approximate_randomization_test,
    "paired_bootstrap_metric_difference": ranks.paired_bootstrap_metric_difference,
    "chi_square_independence": counts.chi_square_independence,
    "fisher_exact": counts.fisher_exact,
    "cochran_mantel_haenszel": counts.cochran_mantel_haenszel,
    "wilson_interval": partial(counts.proportion_interval, limits=intervals.wilson_limits),
    "clopper_pearson_interval": partial(
        counts.proportion_interval, limits=counts.clopper_pearson_limits
    ),
    "newcombe_difference_interval": counts.newcombe_difference_interval,
    "one_way_anova": groups.one_way_anova,
    "welch_anova": groups.welch_anova,
    "repeated_measures_anova": groups.repeated_measures_anova,
    "kruskal_wallis": groups.kruskal_wallis,
    "friedman_test": groups.friedman_test,
    "iman_davenport_test": families.iman_davenport_test,
    "nemenyi_critical_difference": families.nemenyi_critical_difference,
    "nemenyi_test": families.nemenyi_test,
    "friedman_vs_control": families.friedman_vs_control,
    "tukey_hsd": families.tukey_hsd,
    "games_howell": families.games_howell,
    "dunnett_test": families.dunnett_test,
    "bayesian_signed_rank_test": bayes.bayesian_signed_rank_test,
    "bayesian_sign_test": ranks.bayesian_sign_test,
    "bonferroni_correction": partial(planning.adjust, method="bonferroni"),
    "holm_correction": partial(planning.adjust, method="holm"),
    "hochberg_correction": partial(planning.adjust, method="hochberg"),
    "hommel_correction": partial(planning.adjust, method="hommel"),
    "benjamini_hochberg": partial(planning.adjust, method="benjamini-hochberg"),
    "benjamini_yekutieli": partial(planning.adjust, method="benjamini-yekutieli"),
    "shaffer_static_correction": planning.shaffer_static_correction,
    "cohens_d": effects.cohens_d,
    "hedges_g": effects.hedges_g,
    "cohens_dz": effects.cohens_dz,
    "hedges_gz": effects.hedges_gz,
    "cliffs_delta": ranks.cliffs_delta,
    "vargha_delaney_a12": ranks.vargha_delaney_a12,
    "rank_biserial_paired": ranks.rank_biserial_paired,
    "eta_squared": groups.eta_squared,
    "omega_squared": families.omega_squared,
    "noncentral_t_interval": partial(planning.noncentral_limits, effects.noncentral_t_interval),
    "noncentral_f_interval": partial(planning.noncentral_limits, effects.noncentral_f_interval),
    "bootstrap_percentile_interval": partial(ranks.bootstrap_interval, corrected=False),
    "bootstrap_bca_interval": partial(ranks.bootstrap_interval, corrected=True),
    "power_two_sample_t_test": partial(planning.t_test_power, detectable.power_two_sample_t_test),
    "power_paired_t_test": partial(planning.t_test_power, detectable.power_paired_t_test),
    "sample_size_two_sample_t_test": partial(planning.sample_size, pairs=False),
    "sample_size_paired_t_test": partial(planning.sample_size, pairs=True),
    "minimum_detectable_effect_paired_t_test": planning.minimum_detectable_effect_paired_t_test,
    "power_one_way_anova": planning.power_one_way_anova,
    "power_mcnemar": planning.power_mcnemar,
    "sample_size_mcnemar": planning.sample_size_mcnemar,
    "power_tost_paired": planning.power_tost_paired,
    "normal_mixture_boundary": planning.normal_mixture_boundary,
    "normal_mixture_confidence_sequence": planning.normal_mixture_confidence_sequence,
    "bernoulli_confidence_sequence": planning.bernoulli_confidence_sequence,
    "betting_e_process": planning.betting_e_process,
    "sellke_bayarri_berger_calibration": planning.sellke_bayarri_berger_calibration,
    "pocock_boundary": partial(planning.group_sequential, power=0.0),
    "obrien_fleming_boundary": partial(planning.group_sequential, power=0.5),
    "curve_area_trapezoid": ranks.curve_area_trapezoid,
    "curve_max_t_permutation_test": ranks.curve_max_t_permutation_test,
}
# Keys of a case that its test implies: their only value, or None where another key decides.
IMPLIED: dict[str, dict[str, str | None]] = {
    "superiority_by_margin_t_test": {"mu0": None, "alternative": None},
    "paired_permutation_test": {"statistic": "mean_difference", "method": "exact"},
    "independent_permutation_test": {"statistic": "mean_difference", "method": "exact"},
    "curve_max_t_permutation_test": {"method": "exact"},
    "paired_bootstrap_metric_difference": {"interval": "percentile"},
    "sample_size_mcnemar": {"method": "normal"},
    "corrected_resampled_t_test": dict.fromkeys(("n_folds", "n_repeats", "n_train", "n_test")),
}
RENAMED = {"F": "statistic"}


def run(name: str, case: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of the result; what does not exist (an infinite limit) is left out."""
    if name not in TESTS:
        raise DesignError("unknown test", found=name, expected=f"one of {', '.join(TESTS)}")
    implied = IMPLIED.get(name, {})
    arguments: dict[str, object] = {}
    for key, given in case.items():
        if key not in implied:
            arguments[RENAMED.get(key, key)] = given
        elif implied[key] not in {None, given}:
            raise DesignError(
                f"{name} knows one {key} only", found=str(given), expected=str(implied[key])
            )
    try:
        result = TESTS[name](**arguments)
    except TypeError as error:
        raise DesignError(f"the input of {name} has other keys", found=str(error)) from error
    fields = asdict(result) if is_dataclass(result) else result
    return {key: value for key, value in fields.items() if value is not None}
