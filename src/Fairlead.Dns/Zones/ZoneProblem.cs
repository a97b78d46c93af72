namespace Fairlead.Dns.Zones;

/// <summary>A fault in a zone or map file. Line and column count from 1; 0 when the fault is no one place's.</summary>
public sealed record ZoneProblem(string File, int Line, int Column, string Message)
{
    public override string ToString() => $"{File}:{Line}:{Column}: {Message}";
}
