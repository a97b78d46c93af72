namespace Fairlead.Tests.Bgp;

/// <summary>The machine's time, from which it can leap ahead: what a frozen process sees at its thaw.</summary>
internal sealed class LeapingTime : TimeProvider
{
    private long leap;

    public override long GetTimestamp() => base.GetTimestamp() + Interlocked.Read(ref leap);

    public void Leap(TimeSpan time) => Interlocked.Add(ref leap, (long)(time.TotalSeconds * TimestampFrequency));
}
