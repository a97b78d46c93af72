namespace Fairlead.Health;

/// <summary>
/// A check's state: pure. The very first result decides at once (a node that starts must not wait rise x interval to be
/// of use, nor announce what it has not seen); after that fall failures or rise successes in a row turn it.
/// </summary>
/// <param name="Known">Whether any result has come in.</param>
/// <param name="Up">The verdict; false while not known.</param>
/// <param name="Streak">How many results in a row have spoken against the verdict.</param>
public readonly record struct CheckState(bool Known, bool Up, int Streak)
{
    public CheckState Next(bool success, CheckSpec spec)
    {
        if (!Known) return new CheckState(true, success, 0);
        if (success == Up) return this with { Streak = 0 };
        int streak = Streak + 1;
        bool turns = streak >= (Up ? spec.Fall : spec.Rise);
        return turns ? new CheckState(true, success, 0) : this with { Streak = streak };
    }
}
