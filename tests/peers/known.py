"""What differs by design, and how it shows: patterns of tests, all of which must fail, by their reason."""

MINIMUM_NORM = "the peer is said to miss the minimum norm; rounding decides whether skgd does, in the twelfth digit"
LINEAR_MODELS = {
    "parameters to start from are not an argument of fit: warm_start and partial_fit go on from the last ones": [
        *("test_warm_start[[]*SGD*", "test_warm_start_multiclass*", "test_provide_coef*", "test_set_intercept_*"),
        *("test_sgd_multiclass_with_init_coef*", "test_set_coef_multiclass*"),
    ],
    "classifiers take losses of classes; losses of numbers are left to regressors": [
        *("test_average_binary_computed_correctly*", "test_sgd_multiclass_average*", "test_regression_losses*"),
        "test_late_onset_averaging_reached[[]*Classifier*",
    ],
    "no passive-aggressive steps": ["test_learning_rate_PA_raises*"],
    "several targets are fitted at once, and a column is a table of one target": [
        *("test_input_format[[]*Regressor*", "test_linear_model_regressor_coef_shape[[]2-*"),
    ],
    "class_weight='balanced' goes with partial_fit": ["test_partial_fit_weight_class_balanced*"],
    "the intercept takes steps as long as those of the coefficients, for sparse X, too": [
        *("test_late_onset_averaging_reached[[]SparseSGDRegressor*", "test_sgd_averaged_*[[]SparseSGDRegressor*"),
        "test_average_sparse[[]SparseSGDRegressor*",
    ],
    "'auto' goes other ways in fit and in partial_fit": ["test_partial_fit_equal_fit*[[]optimal*"],
    "'auto' takes all rows at once, so that nothing depends on a seed": ["test_sgd_random_state[[]*-SGDClassifier*"],
    "with an L1 penalty, however small, 'auto' goes another way; after six steps that shows": ["test_l1_ratio"],
    "the peer's mark of how its sparse fits differ from its dense ones, not met": ["test_sgd_proba[[]SparseSGD*"],
    MINIMUM_NORM: [
        "test_glm_regression_unpenalized*wide-*-True-lbfgs*",
        "test_glm_regression_unpenalized_hstacked_X*wide-*-True-newton-cholesky*",
    ],
    "kinks are narrowed step by step, and so the loss of rows held out may find its minimum late": [
        "test_multi_thread_multi_class_and_early_stopping"
    ],
    "score is R^2 for every loss": ["test_tweedie_score[[]log-[123]*"],
    "losses with an identity link: squared error alone, of Tweedie's": [
        *("test_tweedie_score[[]identity-[123]*", "test_tweedie_link_argument[[]identity*"),
    ],
    "private attributes of the peer": [
        *("test_plain_has_no_average_attr*", "test_loss_function_epsilon*", "test_validation_mask_correctly_subsets"),
        *("test_tweedie_link_argument[[]log*", "test_tweedie_link_auto*"),
    ],
    "warnings of the peer about its own past or its own solver": [
        *("test_power_t_limits*", "test_linalg_warning_with_newton_solver*"),
    ],
    "the same error or warning in other words": [
        *("test_sgd_failing_penalty_validation*", "test_sgd_early_stopping_with_partial_fit*", "test_tol_parameter"),
        *("test_sgd_predict_proba_method_access*", "test_underflow_or_overflow", "test_glm_wrong_y_range*"),
        "test_sgd_error_on_zero_validation_weight",
    ],
}

NETWORKS = {
    "private attributes and methods of the peer": [
        "test_gradient",
        "test_n_iter_no_change",
        "test_n_iter_no_change_inf",
    ],
    "the loop decides when to stop, not the optimizer": ["test_base_optimizer", "test_sgd_optimizer_trigger_stopping"],
    "the same step in another order of operations: other last digits": ["test_adam_optimizer"],
    "other starting weights; two steps from there the score is luck": ["test_partial_fit_unseen_classes"],
    "partial_fit goes with 'lbfgs', too": ["test_partial_fit_errors"],
    "training goes on with y that lacks some of the classes, as partial_fit does": ["test_warm_start"],
    "logarithms of probabilities differ where probabilities round to 1": ["test_predict_proba_multilabel"],
    "a fit that diverges is ended, and its best parameters are kept": ["test_mlp_diverging_loss"],
    "a loss needs no more than one row that is held out": ["test_minimum_input_sample_size"],
    "a single class is an error": ["test_preserve_feature_names[[]MLPClassifier]"],
    "the same error or message in other words": [
        *(
            "test_nonfinite_params",
            "test_verbose_sgd",
            "test_early_stopping_stratified",
            "test_mlp_partial_fit_after_fit*",
        ),
    ],
}
