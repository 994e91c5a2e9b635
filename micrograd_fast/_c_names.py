"""Which names a function of C may have: not those that the language or its library has taken."""

from __future__ import annotations

import re

__all__ = ["check_name"]

_KEYWORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while alignas alignof asm bool constexpr false nullptr static_assert
    thread_local true typeof typeof_unqual and and_eq bitand bitor catch class compl const_cast
    decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq
    operator or or_eq private protected public reinterpret_cast static_cast template this throw try
    typeid typename using virtual xor xor_eq
"""

# Of <math.h>, each also with an f or l behind it.
_MATH = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp10 exp2
    expm1 fabs fdim finite floor fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn
    ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter
    nexttoward pow pow10 remainder remquo rint round scalb scalbln scalbn significand sin sincos
    sinh sqrt tan tanh tgamma trunc y0 y1 yn
"""

# What the headers besides offer, and functions that compilers know without any header.
_LIBRARY = """
    a64l abort abs aligned_alloc alloca arc4random arc4random_buf arc4random_uniform at_quick_exit
    atexit atof atoi atol atoll bcmp bcopy bsearch bzero cabs calloc carg cimag clearenv clock conj
    cproj creal dcgettext dgettext div drand48 ecvt erand48 execl execle execlp execv execve execvp
    exit fclose fcvt ffs ffsl ffsll fgetc fgets fopen fork fpclassify fprintf fprintf_unlocked fputc
    fputc_unlocked fputs fputs_unlocked fread free fscanf fwrite fwrite_unlocked gcvt getenv
    getloadavg getsubopt gettext index initstate isalnum isalpha isascii isblank iscntrl isdigit
    isfinite isgraph isgreater isgreaterequal isless islessequal islessgreater islower isnormal
    isprint ispunct isspace isunordered isupper iswalnum iswalpha isxdigit jrand48 l64a labs lcong48
    ldiv lgamma_r lgammaf_r lgammal_r llabs lldiv lrand48 main malloc math_errhandling mblen
    mbstowcs mbtowc memchr memcmp memcpy memmove mempcpy memset mkdtemp mkstemp mkstemps mktemp
    mrand48 nrand48 offsetof on_exit posix_memalign printf printf_unlocked pselect putc putchar
    putchar_unlocked putenv puts puts_unlocked qecvt qfcvt qgcvt qsort quick_exit rand rand_r random
    realloc reallocarray realpath rindex rpmatch scanf seed48 select setenv setstate signbit signgam
    snprintf sprintf srand srand48 srandom sscanf stpcpy stpncpy strcasecmp strcat strchr strcmp
    strcpy strcspn strdup strerror strfmon strftime strlen strncasecmp strncat strncmp strncpy
    strndup strpbrk strrchr strspn strstr strtod strtof strtol strtold strtoll strtoq strtoul
    strtoull strtouq system time toascii tolower toupper unsetenv valloc vfprintf vfscanf vprintf
    vscanf vsnprintf vsprintf vsscanf wcstombs wctomb fd_mask fd_set linux timespec timeval u_char
    u_int u_long u_short uint ulong unix ushort NULL NAN INFINITY HUGE_VAL HUGE_VALF HUGE_VALL EOF
    EXIT_SUCCESS EXIT_FAILURE RAND_MAX BUFSIZ MB_CUR_MAX FLT_EVAL_METHOD DECIMAL_DIG NFDBITS
    BYTE_ORDER BIG_ENDIAN LITTLE_ENDIAN PDP_ENDIAN be16toh be32toh be64toh htobe16 htobe32 htobe64
    htole16 htole32 htole64 le16toh le32toh le64toh
"""

_TAKEN = frozenset(
    [*_KEYWORDS.split(), *_LIBRARY.split()]
    + [name + suffix for name in _MATH.split() for suffix in ("", "f", "l")]
)
# Types, macros and second versions of functions in the headers.
_TAKEN_KINDS = re.compile(
    r"\w+_t|(M|FP|FLT|DBL|LDBL|MATH|FD)_[A-Z0-9_]+|W[A-Z]{5,}|\w*(48|random|state|cvt)_r"
)


def check_name(name: str) -> None:
    """Refuses what no function in an emitted file can be called."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__!r}")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ValueError(
            f"{name!r} cannot be the name of a function in C: it must consist of letters, digits "
            "and underscores, and begin with a letter"
        )
    if name in _TAKEN or _TAKEN_KINDS.fullmatch(name):
        raise ValueError(
            f"{name!r} is taken in C, by the language or its library: use another name, such as "
            f"'my_{name}'"
        )
