/* SPDX-License-Identifier: MIT */
/*
 * The few functions of real numbers that drawing a delay needs, without libm: the preload library
 * links to libc only. Relative error below 1e-12 over the ranges stated (tested against libm).
 * Header only, so that the guest, the command and the tests compile the same code.
 * Pure; no errno, no rounding-mode changes; async-signal-safe.
 */
#ifndef AFTERSHOCK_PLAN_APPROX_H
#define AFTERSHOCK_PLAN_APPROX_H

#include <stdint.h>
#include <string.h>

static inline uint64_t approx_bits(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static inline double approx_from_bits(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Square root of x, 0 or a normal positive number: Newton from a guess that halves the exponent. */
static inline double approx_sqrt(double x)
{
	double y;

	if (!(x > 0))
		return 0;
	y = approx_from_bits((approx_bits(x) >> 1) + (1023ull << 51));
	for (int i = 0; i < 5; i++)
		y = 0.5 * (y + x / y);
	return y;
}

/* Natural logarithm of a normal positive number: exponent, then 2 atanh((m-1)/(m+1)) for m in [0.7, 1.42). */
static inline double approx_ln(double x)
{
	uint64_t bits = approx_bits(x);
	int exponent = (int)(bits >> 52) - 1023;
	double m = approx_from_bits((bits & ((1ull << 52) - 1)) | (1023ull << 52));
	double s, sum = 0;

	if (m > 1.4142135623730951) {
		m *= 0.5;
		exponent++;
	}
	s = (m - 1) / (m + 1);
	for (int k = 21; k > 0; k -= 2)
		sum = sum * s * s + 1.0 / k;
	return 2 * s * sum + exponent * 0.6931471805599453;
}

/* e^x, x cut to -700..700: 2^n times the Taylor sum of a remainder below ln(2)/2. */
static inline double approx_exp(double x)
{
	double r, sum = 1;
	int n;

	x = x > 700 ? 700 : x < -700 ? -700 : x;
	n = (int)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
	r = x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10; /* ln(2) in two parts */
	for (int k = 14; k > 0; k--)
		sum = 1 + sum * r / k;
	return sum * approx_from_bits((uint64_t)(n + 1023) << 52);
}

/* Value of the polynomial c[0] + c[1] x + ... + c[7] x^7. */
static inline double approx_poly(const double c[8], double x)
{
	double sum = c[7];

	for (int k = 6; k >= 0; k--)
		sum = sum * x + c[k];
	return sum;
}

/*
 * The standard normal quantile of u in (0, 1): Wichura, algorithm AS 241 (PPND16),
 * Applied Statistics 37 (1988) 477-484.
 */
static inline double approx_probit(double u)
{
	static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
				    1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
				    3.3430575583588128105e4, 2.5090809287301226727e3};
	static const double b[8] = {1.0,
				    4.2313330701600911252e1,
				    6.8718700749205790830e2,
				    5.3941960214247511077e3,
				    2.1213794301586595867e4,
				    3.9307895800092710610e4,
				    2.8729085735721942674e4,
				    5.2264952788528545610e3};
	static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
				    3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
				    2.27238449892691845833e-2, 7.74545014278341407640e-4};
	static const double d[8] = {1.0,
				    2.05319162663775882187e0,
				    1.67638483018380384940e0,
				    6.89767334985100004550e-1,
				    1.48103976427480074590e-1,
				    1.51986665636164571966e-2,
				    5.47593808499534494600e-4,
				    1.05075007164441684324e-9};
	static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
				    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
				    2.71155556874348757815e-5, 2.01033439929228813265e-7};
	static const double f[8] = {1.0,
				    5.99832206555887937690e-1,
				    1.36929880922735805310e-1,
				    1.48753612908506148525e-2,
				    7.86869131145613259100e-4,
				    1.84631831751005468180e-5,
				    1.42151175831644588870e-7,
				    2.04426310338993978564e-15};
	double q = u - 0.5, r = 0.180625 - q * q, z;

	if (r >= 0)
		return q * approx_poly(a, r) / approx_poly(b, r);
	r = approx_sqrt(-approx_ln(q < 0 ? u : 1 - u));
	z = r <= 5 ? approx_poly(c, r - 1.6) / approx_poly(d, r - 1.6) : approx_poly(e, r - 5) / approx_poly(f, r - 5);
	return q < 0 ? -z : z;
}

#endif
