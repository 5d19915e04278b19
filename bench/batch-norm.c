/* Times batch normalization in plain C: reads "rows features repeats" lines, answers ns a value. Column sums in three
   passes over the rows, nothing compensated: how fast this machine is when nothing is asked for but the loops. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_FEATURES 512

static void normalize(const double *restrict x, double *restrict out, long rows, long features) {
  double mean[MAX_FEATURES] = {0}, scale[MAX_FEATURES] = {0};
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < features; j++) mean[j] += x[i * features + j];
  for (long j = 0; j < features; j++) mean[j] /= rows;
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < features; j++) {
      double d = x[i * features + j] - mean[j];
      scale[j] += d * d;
    }
  for (long j = 0; j < features; j++) scale[j] = 1 / sqrt(scale[j] / rows + 1e-5);
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < features; j++) out[i * features + j] = (x[i * features + j] - mean[j]) * scale[j];
}

int main(void) {
  long rows, features, repeats;
  while (scanf("%ld %ld %ld", &rows, &features, &repeats) == 3) {
    if (rows < 1 || features < 1 || features > MAX_FEATURES || repeats < 1) return 2;
    long n = rows * features;
    double *x = malloc(n * sizeof *x), *out = malloc(n * sizeof *out), sum = 0;
    if (!x || !out) return 1;
    srand(1);
    for (long i = 0; i < n; i++) x[i] = 100.0 * rand() / RAND_MAX;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < repeats; i++) {
      normalize(x, out, rows, features);
      sum += out[i % n]; /* so that nothing is optimised away */
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec);
    printf("%g\n", isnan(sum) ? NAN : ns / ((double)repeats * n));
    fflush(stdout);
    free(x);
    free(out);
  }
  return 0;
}
