namespace Fairlead.Dns.Server;

/// <summary>
/// Whether a thread that has emptied its queue pauses before it looks again. When datagrams come so fast that several
/// will be there after a moment, one wake for all of them costs less than one for each few; network cards moderate
/// their interrupts for the same reason. At lower rates nobody waits. One thread's own; times are since its start.
/// </summary>
internal struct Gathering
{
    /// <summary>What an answer may be late by, under load.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMicroseconds(50);

    /// <summary>A pause must bring at least so many, or it is not worth the wait.</summary>
    public const int DatagramsMin = 3;

    /// <summary>A batch of so many says that more are there already.</summary>
    public const int DatagramsMax = 32;

    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(2);

    private TimeSpan windowStart;
    private int inWindow;
    private bool isFast;

    /// <summary>So many datagrams came at this time. Gives whether to pause once they are answered.</summary>
    public bool After(int datagrams, TimeSpan now)
    {
        inWindow += datagrams;
        TimeSpan passed = now - windowStart;
        if (passed >= Window)
        {
            isFast = inWindow * Pause.Ticks >= DatagramsMin * passed.Ticks;
            windowStart = now;
            inWindow = 0;
        }

        return isFast && datagrams < DatagramsMax;
    }
}
