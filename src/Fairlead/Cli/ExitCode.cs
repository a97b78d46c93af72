namespace Fairlead.Cli;

/// <summary>What every command exits with (sysexits.h where it has a number for it).</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;

    /// <summary>The command did its work, and found something.</summary>
    public const int Findings = 2;
    public const int Usage = 64;
    public const int InvalidFile = 65;
    public const int Unavailable = 69;
    public const int Refused = 73;
    public const int NotConverged = 75;
    public const int NoPermission = 77;
}
