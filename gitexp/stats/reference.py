"""The table of named tests: one public function behind each name, called with plain values.

Reference cases name a test and give its input; this table says which function that is. It
imports every statistics module, so nothing on the way of an ordinary command may import it.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.stats import (
    adjust,
    bayes,
    blocks,
    bootstrap,
    boundaries,
    contingency,
    curves,
    cv,
    effects,
    fisher,
    groups,
    margins,
    noncentral,
    permutation,
    posthoc,
    power,
    proportions,
    ranks,
    roc,
    sequential,
    ttests,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TESTS: dict[str, Callable[..., object]] = {
    "paired_t_test": ttests.paired_t_test,
    "welch_t_test": ttests.welch_t_test,
    "student_t_test": ttests.student_t_test,
    "one_sample_t_test": ttests.one_sample_t_test,
    "superiority_by_margin_t_test": margins.superiority_by_margin_t_test,
    "non_inferiority_t_test": margins.non_inferiority_t_test,
    "tost_paired": margins.tost_paired,
    "tost_two_sample": margins.tost_two_sample,
    "wilcoxon_signed_rank": ranks.wilcoxon_signed_rank,
    "mann_whitney_u": ranks.mann_whitney_u,
    "paired_permutation_test": permutation.paired_permutation_test,
    "independent_permutation_test": permutation.independent_permutation_test,
    "corrected_resampled_t_test": cv.corrected_resampled_t_test,
    "five_by_two_cv_t_test": cv.five_by_two_cv_t_test,
    "five_by_two_cv_f_test": cv.five_by_two_cv_f_test,
    "bayesian_correlated_t_test": cv.bayesian_correlated_t_test,
    "mcnemar_test": contingency.mcnemar_test,
    "cochran_q": contingency.cochran_q,
    "delong_test": roc.delong_test,
    "delong_auc_ci": roc.delong_auc_ci,
    "approximate_randomization_test": bootstrap.approximate_randomization_test,
    "paired_bootstrap_metric_difference": bootstrap.paired_bootstrap_metric_difference,
    "chi_square_independence": contingency.chi_square_independence,
    "fisher_exact": fisher.fisher_exact,
    "cochran_mantel_haenszel": contingency.cochran_mantel_haenszel,
    "wilson_interval": proportions.wilson_interval,
    "clopper_pearson_interval": proportions.clopper_pearson_interval,
    "newcombe_difference_interval": proportions.newcombe_difference_interval,
    "one_way_anova": groups.one_way_anova,
    "welch_anova": groups.welch_anova,
    "repeated_measures_anova": blocks.repeated_measures_anova,
    "kruskal_wallis": groups.kruskal_wallis,
    "friedman_test": blocks.friedman_test,
    "iman_davenport_test": blocks.iman_davenport_test,
    "nemenyi_critical_difference": blocks.nemenyi_critical_difference,
    "nemenyi_test": blocks.nemenyi_test,
    "friedman_vs_control": blocks.friedman_vs_control,
    "tukey_hsd": posthoc.tukey_hsd,
    "games_howell": posthoc.games_howell,
    "dunnett_test": posthoc.dunnett_test,
    "bayesian_signed_rank_test": bayes.bayesian_signed_rank_test,
    "bayesian_sign_test": bayes.bayesian_sign_test,
    "bonferroni_correction": partial(adjust.adjust, method="bonferroni"),
    "holm_correction": partial(adjust.adjust, method="holm"),
    "hochberg_correction": partial(adjust.adjust, method="hochberg"),
    "hommel_correction": partial(adjust.adjust, method="hommel"),
    "benjamini_hochberg": partial(adjust.adjust, method="benjamini-hochberg"),
    "benjamini_yekutieli": partial(adjust.adjust, method="benjamini-yekutieli"),
    "shaffer_static_correction": adjust.shaffer_static_correction,
    "cohens_d": effects.cohens_d,
    "hedges_g": effects.hedges_g,
    "cohens_dz": effects.cohens_dz,
    "hedges_gz": effects.hedges_gz,
    "cliffs_delta": effects.cliffs_delta,
    "vargha_delaney_a12": effects.vargha_delaney_a12,
    "rank_biserial_paired": effects.rank_biserial_paired,
    "eta_squared": groups.eta_squared,
    "omega_squared": groups.omega_squared,
    "noncentral_t_interval": noncentral.noncentral_t_interval,
    "noncentral_f_interval": noncentral.noncentral_f_interval,
    "bootstrap_percentile_interval": bootstrap.bootstrap_percentile_interval,
    "bootstrap_bca_interval": bootstrap.bootstrap_bca_interval,
    "power_two_sample_t_test": power.power_two_sample_t_test,
    "power_paired_t_test": power.power_paired_t_test,
    "sample_size_two_sample_t_test": power.sample_size_two_sample_t_test,
    "sample_size_paired_t_test": power.sample_size_paired_t_test,
    "minimum_detectable_effect_paired_t_test": power.minimum_detectable_effect_paired_t_test,
    "power_one_way_anova": power.power_one_way_anova,
    "power_mcnemar": power.power_mcnemar,
    "sample_size_mcnemar": power.sample_size_mcnemar,
    "power_tost_paired": power.power_tost_paired,
    "normal_mixture_boundary": sequential.normal_mixture_boundary,
    "normal_mixture_confidence_sequence": sequential.normal_mixture_confidence_sequence,
    "bernoulli_confidence_sequence": sequential.bernoulli_confidence_sequence,
    "betting_e_process": sequential.betting_e_process,
    "sellke_bayarri_berger_calibration": sequential.sellke_bayarri_berger_calibration,
    "pocock_boundary": boundaries.pocock_boundary,
    "obrien_fleming_boundary": boundaries.obrien_fleming_boundary,
    "curve_area_trapezoid": curves.curve_area_trapezoid,
    "curve_max_t_permutation_test": curves.curve_max_t_permutation_test,
}
# Keys of a case that its test implies: their only value, or None where another key decides.
IMPLIED: dict[str, dict[str, str | None]] = {
    "superiority_by_margin_t_test": {"mu0": None, "alternative": None},
    "paired_permutation_test": {"statistic": "mean_difference", "method": "exact"},
    "independent_permutation_test": {"statistic": "mean_difference", "method": "exact"},
    "curve_max_t_permutation_test": {"method": "exact"},
    "corrected_resampled_t_test": dict.fromkeys(("n_folds", "n_repeats", "n_train", "n_test")),
}
RENAMED = {"F": "statistic"}


def run(name: str, case: Mapping[str, object]) -> dict[str, object]:
    """Run a named test.

    Parameters
    ----------
    name : str
        A key of `TESTS`.
    case : mapping
        The test's input by key.

    Returns
    -------
    dict
        The fields of the result; those that do not exist (an infinite limit) are left out.

    Raises
    ------
    DesignError
        If the name or a key is unknown, or the input cannot be tested.

    Examples
    --------
    >>> run("cliffs_delta", {"a": [1.0, 2.0], "b": [3.0]})
    {'estimate': -1.0}
    """
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
    if not is_dataclass(result) or isinstance(result, type):
        raise DesignError(f"{name} has no result to show")
    return {key: value for key, value in asdict(result).items() if value is not None}
