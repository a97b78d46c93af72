namespace Fairlead.Net.Linux;

/// <summary>
/// The C library's calls, each declared once with the kernel's layout and the reason for its flags. Files named
/// Libc.*.cs hold one group of calls each.
/// </summary>
public static partial class Libc
{
    public const int EINTR = 4;
    public const int EAGAIN = 11;
}
